"""A search block's forward pass by native kernels, differentiable; the same function as PyTorch's, sums reordered."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tickets.hosts.native import library
from tickets.hosts.native.force import TORCH, Force, using
from tickets.hosts.native.library import KERNELS, WEIGHTS, Job, Library, Sizes, Tensors

if TYPE_CHECKING:
    from tickets.hosts.blocks import SearchBlock

REALS = {torch.float32: "f32", torch.float64: "f64"}
ALIGNED = 128  # bytes, a multiple of every register's width
IDENTITY, CONVOLUTION = 1, 2  # kinds of skips, as kernels/shape.h numbers them


def serves(block: SearchBlock, x: Tensor) -> bool:
    """Whether the kernels compute what is asked: training, or evaluation that no gradient is wanted of.

    Batch norms must all be in one mode, keep statistics, and none of the block's modules may have hooks.
    """
    norms = _norms(block)
    modes = {norm.training for norm in norms}
    return (
        type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype in REALS
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and len(modes) == 1
        and (modes == {True} or not torch.is_grad_enabled())
        and all(norm.running_mean is not None for norm in norms)
        and (block.training or not _hooked(block))
    )


def _norms(block: SearchBlock) -> tuple[nn.BatchNorm2d, nn.BatchNorm2d, nn.BatchNorm2d]:
    return block.expand_bn, block.depthwise_bn, block.project_bn


def _hooked(block: SearchBlock) -> bool:
    """Whether a module inside has a hook, which the kernels would not call."""
    inner = (module for module in block.modules() if module is not block)
    return any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in inner)


def run(block: SearchBlock, x: Tensor, force: Force) -> Tensor:
    """What `block(x)` returns; statistics of batch norms in training are moved.

    Args:
        block: with at least one unit; `serves` must allow it.
        x: (B, in, H, W), float32 or float64.
        force: which kernels.

    Returns:
        (B, out, H/stride, W/stride), channels_last.
    """
    norms = _norms(block)
    if norms[0].training:
        for norm in norms:
            norm.num_batches_tracked.add_(1)  # type: ignore[union-attr]  # `serves` sees that they are kept
    skip = block.skip if isinstance(block.skip, nn.Conv2d) else None
    groups = skip.groups if skip else 0
    kernels = block.kernels
    job, sizes = _planned(
        (*(x.shape[i] for i in (0, 2, 3)), block.width_in, block.width_out, block.stride, force.threads),
        (CONVOLUTION if groups else IDENTITY, groups, not norms[0].training),
        tuple(kernels[str(k)].out_channels if str(k) in kernels else 0 for k in KERNELS),
        tuple(norm.eps for norm in norms),
        tuple(_momentum(norm) for norm in norms),
        force.kind,
        REALS[x.dtype],
    )
    running = tuple(t for norm in norms for t in (norm.running_mean, norm.running_var))
    weights = (
        block.expand.weight, block.expand_bn.weight, block.expand_bn.bias,
        *(kernels[str(k)].weight if str(k) in kernels else None for k in KERNELS),
        block.depthwise_bn.weight, block.depthwise_bn.bias, block.project.weight,
        block.project_bn.weight, block.project_bn.bias, skip.weight if skip else None,
    )  # fmt: skip
    call = Call(library.load(force.kind, REALS[x.dtype]), job, sizes)
    if job.is_fixed or not torch.is_grad_enabled():
        return call.forward(x, weights, running)[0]
    out: Tensor = _Block.apply(call, block, running, x, *weights)
    return out


def _momentum(norm: nn.BatchNorm2d) -> float:
    """Of one update; without a momentum the average over all batches so far."""
    return 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum  # type: ignore[arg-type]


@lru_cache(1024)
def _planned(
    sizes: tuple[int, ...],
    rest: tuple[int, ...],
    units: tuple[int, ...],
    eps: tuple[float, ...],
    momentum: tuple[float, ...],
    kind: str,
    real: str,
) -> tuple[Job, Sizes]:
    """A job as the kernels take it, and the memory that it needs."""
    three, doubles = ctypes.c_int64 * 3, ctypes.c_double * 3
    job = Job(*sizes, *rest, three(*units), doubles(*eps), doubles(*momentum))
    return job, library.load(kind, real).sizes(job)


_scratch = threading.local()


def _workspace(size: int) -> int:
    """The address of scratch memory of this thread, kept from call to call: fresh pages cost more than their use."""
    held: Tensor | None = getattr(_scratch, "held", None)
    if held is None or len(held) < size + ALIGNED:
        _scratch.held = held = torch.empty(size + ALIGNED, dtype=torch.uint8)
    return _aligned(held)


def _aligned(tensor: Tensor) -> int:
    """The first address in a tensor that is a multiple of `ALIGNED`."""
    return -(-tensor.data_ptr() // ALIGNED) * ALIGNED


def _at(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


Weights = Sequence[Tensor | None]


class Call:
    """The kernels of one job.

    Args:
        kernels: that compute it.
        job: what is asked for.
        sizes: the memory that it needs.
    """

    def __init__(self, kernels: Library, job: Job, sizes: Sizes) -> None:
        self.kernels, self.job, self.sizes = kernels, job, sizes

    def forward(self, x: Tensor, weights: Weights, running: Weights) -> tuple[Tensor, list[Tensor]]:
        """The block's output, and x, z, o and statistics for the backward pass."""
        x = x.detach().contiguous(memory_format=torch.channels_last)
        spare = ALIGNED // x.element_size()
        z, o = (x.new_empty(size + spare) for size in (self.sizes.z, self.sizes.o))
        stats = x.new_empty(self.sizes.stats + ALIGNED // 8, dtype=torch.float64)
        side = [(n - 1) // self.job.stride + 1 for n in x.shape[2:]]
        shape = (len(x), self.job.width_out, *side)
        out = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
        weights = [None if w is None else w.detach().contiguous() for w in weights]
        given = self._tensors(x, weights, z, o, stats)
        given.out, given.running = out.data_ptr(), (ctypes.c_void_p * 6)(*map(_at, running))
        self.kernels.forward(self.job, given)
        return out, [x, z, o, stats]

    def backward(self, dout: Tensor, kept: Sequence[Tensor], weights: Weights) -> list[Tensor | None]:
        """The gradients of x and of the weights."""
        x, z, o, stats = kept
        dout = dout.contiguous(memory_format=torch.channels_last)
        weights = [None if w is None else w.contiguous() for w in weights]
        grads = [None if w is None else torch.empty_like(w) for w in weights]
        dx = torch.empty_like(x)
        given = self._tensors(x, weights, z, o, stats)
        given.dout, given.dx = dout.data_ptr(), dx.data_ptr()
        for name, grad in zip(WEIGHTS, grads, strict=True):
            setattr(given, f"d_{name}", _at(grad))
        self.kernels.backward(self.job, given)
        return [dx, *grads]

    def _tensors(self, x: Tensor, weights: Weights, z: Tensor, o: Tensor, stats: Tensor) -> Tensors:
        given = Tensors(x.data_ptr(), *map(_at, weights))
        given.z, given.o, given.stats = _aligned(z), _aligned(o), _aligned(stats)
        given.workspace = _workspace(self.sizes.workspace)
        return given


class _Block(torch.autograd.Function):
    """A block in training. Second derivatives are those of PyTorch's formulation."""

    @staticmethod
    def forward(
        ctx: Any, call: Call, block: SearchBlock, running: Weights, x: Tensor, *weights: Tensor | None
    ) -> Tensor:
        out, kept = call.forward(x, weights, running)
        ctx.call, ctx.block = call, block
        ctx.save_for_backward(x, *kept, *weights)
        return out

    @staticmethod
    def backward(ctx: Any, *douts: Tensor) -> tuple[Tensor | None, ...]:
        x, *rest = ctx.saved_tensors
        kept, weights = rest[:4], rest[4:]
        if torch.is_grad_enabled():  # the gradient is to be differentiated itself
            grads = _by_torch(ctx.block, x, weights, douts[0])
        else:
            grads = ctx.call.backward(douts[0], kept, weights)
        wanted = ctx.needs_input_grad[3:]
        return None, None, None, *(g if is_wanted else None for g, is_wanted in zip(grads, wanted, strict=True))


def _by_torch(block: SearchBlock, x: Tensor, weights: Weights, dout: Tensor) -> list[Tensor | None]:
    """The gradients of x and of the weights, with a graph of their own; the block's statistics stay."""
    by_name = dict(zip(_names(block), weights, strict=True))
    given = {name: w for name, w in by_name.items() if w is not None}
    buffers = {name: b.clone() for name, b in block.named_buffers()}
    with using(TORCH):
        out = functional_call(block, {**given, **buffers}, (x,))
    inputs = [t for t in (x, *weights) if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(out, inputs, dout, create_graph=True))
    return [next(found) if t is not None and t.requires_grad else None for t in (x, *weights)]


def _names(block: SearchBlock) -> list[str]:
    """The parameters of a block in the order of `WEIGHTS`; of kernel sizes that it lacks, too."""
    depthwise = [f"depthwise.{k}.weight" for k in KERNELS]
    return [
        "expand.weight", "expand_bn.weight", "expand_bn.bias", *depthwise, "depthwise_bn.weight", "depthwise_bn.bias",
        "project.weight", "project_bn.weight", "project_bn.bias", "skip.weight",
    ]  # fmt: skip
