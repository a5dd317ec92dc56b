"""What computes search blocks on this machine, and why, as lines; the kernels are compiled and tried for it."""

from __future__ import annotations

from collections.abc import Iterator

from tickets.errors import UserError
from tickets.hosts.native import objects, processor
from tickets.hosts.native.objects import Build, UnavailableError

TOLERANCE = 1e-12


def lines() -> Iterator[str]:
    """The compiler, each instruction set, and how the fastest one's results compare with PyTorch's in float64.

    Raises:
        UserError: they compute something else here.
    """
    able = processor.usable()
    yield f"compiler: {objects.compiler() or 'none; $CXX, c++, g++ and clang++ were looked for'}"
    for kind in processor.SETS:
        yield f"{kind.name + ':':<10}{_state(kind) if kind in able else 'not of this processor'}"
    best = able[0]
    try:
        for real in objects.REALS:
            Build(best, real).path()
    except UnavailableError as reason:
        yield f"--kernels auto uses PyTorch's: {reason}."
        return
    error = _error(best.name)
    if not error <= TOLERANCE:
        raise UserError(
            f"the {best.name} kernels are wrong here: a block differs from PyTorch's by {error:.1e}; give --kernels "
            "torch, and tell the authors your processor and your compiler."
        )
    yield f"--kernels auto uses {best.name}: a block and its gradients equal PyTorch's in float64 to {error:.0e}."


def _state(kind: processor.InstructionSet) -> str:
    where = next((path for path in objects.places(kind, "f32") if objects.is_whole(path)), None)
    if where is None:
        return "compiled when first used" if objects.compiler() else "not compiled, and no compiler is here"
    return "shipped" if where.parent == objects.SHIPPED else str(where)


def _error(kernels: str) -> float:
    """The largest difference of a block's output and gradients from PyTorch's, relative to the largest of each."""
    import torch

    from tickets.hosts.blocks import KERNELS, Norm, SearchBlock
    from tickets.hosts.native import force
    from tickets.seeding import seeded

    with seeded(0, "trial of kernels"):
        block = SearchBlock(12, 24, 2, dict.fromkeys(KERNELS, 17), Norm()).double()
        for norm in (block.expand_bn, block.depthwise_bn):
            torch.nn.init.normal_(norm.bias)  # at zero, some gradients vanish but for rounding
        x = torch.randn(4, 12, 15, 17, dtype=torch.double, requires_grad=True)
        weight = torch.randn(4, 24, 8, 9, dtype=torch.double)
    found = []
    for name in (processor.TORCH, kernels):
        with force.using(name, 1):
            out = block(x)
            found.append([out.detach(), *torch.autograd.grad((out * weight).sum(), [x, *block.parameters()])])
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found[1], found[0], strict=True))
