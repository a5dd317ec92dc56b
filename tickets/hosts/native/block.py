"""A search block by native kernels, differentiable; the same function as PyTorch's, sums reordered."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tickets.hosts.native import library, memory, serving
from tickets.hosts.native.force import TORCH, Force, using
from tickets.hosts.native.library import KERNELS, WEIGHTS, Job, Tensors
from tickets.hosts.native.memory import Maybe

if TYPE_CHECKING:
    from tickets.hosts.blocks import SearchBlock

IDENTITY, CONVOLUTION = 1, 2
"""Kinds of skips, as kernels/shape.h numbers them."""


def serves(block: SearchBlock, x: Tensor) -> bool:
    """Whether the kernels compute what a block with units is asked for."""
    return serving.serves(_norms(block), block.modules(), x)


def _norms(block: SearchBlock) -> tuple[nn.BatchNorm2d, nn.BatchNorm2d, nn.BatchNorm2d]:
    return block.expand_bn, block.depthwise_bn, block.project_bn


def run(block: SearchBlock, x: Tensor, force: Force) -> Tensor:
    """What `block(x)` returns; statistics of batch norms in training are moved.

    Args:
        block: `serves` must allow it.
        x: (B, in, H, W), float32 or float64.
        force: which kernels.

    Returns:
        (B, out, H/stride, W/stride), channels_last.
    """
    norms = _norms(block)
    serving.count(norms)
    skip = block.skip if isinstance(block.skip, nn.Conv2d) else None
    kernels = block.kernels
    call = _planned(
        (*(x.shape[i] for i in (0, 2, 3)), block.width_in, block.width_out, block.stride, force.threads),
        (CONVOLUTION if skip else IDENTITY, skip.groups if skip else 0, not norms[0].training),
        tuple(kernels[str(k)].out_channels if str(k) in kernels else 0 for k in KERNELS),
        tuple(norm.eps for norm in norms),
        tuple(serving.momentum(norm) for norm in norms),
        force.kind,
        serving.REALS[x.dtype],
    )
    running = [t for norm in norms for t in (norm.running_mean, norm.running_var)]
    weights = (
        block.expand.weight, block.expand_bn.weight, block.expand_bn.bias,
        *(kernels[str(k)].weight if str(k) in kernels else None for k in KERNELS),
        block.depthwise_bn.weight, block.depthwise_bn.bias, block.project.weight,
        block.project_bn.weight, block.project_bn.bias, skip.weight if skip else None,
    )  # fmt: skip
    if not torch.is_grad_enabled():
        return call.forward(x, weights, running)[0]
    out: Tensor = _Block.apply(call, block, running, x, *weights)
    return out


@lru_cache(1024)
def _planned(
    sizes: tuple[int, ...],
    rest: tuple[int, ...],
    units: tuple[int, ...],
    eps: tuple[float, ...],
    momentum: tuple[float, ...],
    kind: str,
    real: str,
) -> Call:
    three, doubles = ctypes.c_int64 * 3, ctypes.c_double * 3
    job = Job(*sizes, *rest, three(*units), doubles(*eps), doubles(*momentum))
    return Call(library.load(kind, real), job)


class Call:
    """What a block of one shape is computed by.

    Args:
        kernels: that compute it.
        job: what is asked for.
    """

    def __init__(self, kernels: library.Library, job: Job) -> None:
        self.kernels, self.job = kernels, job
        self.z, self.o, self.stats, self.workspace = kernels.sizes("block", job)

    def forward(self, x: Tensor, weights: Maybe, running: Maybe) -> tuple[Tensor, list[Tensor]]:
        """The block's output, and x, z, o and statistics for the backward pass."""
        x, weights = memory.rows(x), memory.plain(weights)
        kept = [x, memory.kept(x, self.z), memory.kept(x, self.o), memory.kept(x, self.stats, torch.float64)]
        out = memory.maps(x, self.job.width_out, self.job.stride)
        given = self._tensors(kept, weights)
        given.out, given.running = out.data_ptr(), (ctypes.c_void_p * 6)(*map(memory.at, running))
        self.kernels.call("block_forward", self.job, given)
        return out, kept

    def backward(self, dout: Tensor, kept: Sequence[Tensor], weights: Maybe) -> list[Tensor | None]:
        """The gradients of x and of the weights."""
        dout, weights, dx = memory.rows(dout), memory.plain(weights), torch.empty_like(kept[0])
        grads = [None if weight is None else torch.empty_like(weight) for weight in weights]
        given = self._tensors(kept, weights)
        given.dout, given.dx = dout.data_ptr(), dx.data_ptr()
        for name, grad in zip(WEIGHTS, grads, strict=True):
            setattr(given, f"d_{name}", memory.at(grad))
        self.kernels.call("block_backward", self.job, given)
        return [dx, *grads]

    def _tensors(self, kept: Sequence[Tensor], weights: Maybe) -> Tensors:
        x, z, o, stats = kept
        given = Tensors(x.data_ptr(), *map(memory.at, weights))
        given.z, given.o, given.stats = memory.aligned(z), memory.aligned(o), memory.aligned(stats)
        given.workspace = memory.workspace(self.workspace)
        return given


class _Block(torch.autograd.Function):
    """A block in training. Second derivatives are those of PyTorch's formulation."""

    @staticmethod
    def forward(ctx: Any, call: Call, block: SearchBlock, running: Maybe, x: Tensor, *weights: Tensor | None) -> Tensor:
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


def _by_torch(block: SearchBlock, x: Tensor, weights: Maybe, dout: Tensor) -> list[Tensor | None]:
    """The gradients of x and of the weights, with a graph of their own; the block's statistics stay."""
    given = {name: weight for name, weight in zip(_names(), weights, strict=True) if weight is not None}
    buffers = {name: b.clone() for name, b in block.named_buffers()}
    with using(TORCH):
        out = functional_call(block, {**given, **buffers}, (x,))
    return differentiated(out, (x, *weights), dout)


def differentiated(out: Tensor, inputs: Maybe, dout: Tensor) -> list[Tensor | None]:
    """The gradients of all inputs that want one, with a graph."""
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(out, wanted, dout, create_graph=True))
    return [next(found) if t is not None and t.requires_grad else None for t in inputs]


def _names() -> list[str]:
    """The parameters of a block in the order of `WEIGHTS`; of kernel sizes that it lacks, too."""
    return [
        "expand.weight", "expand_bn.weight", "expand_bn.bias", *(f"depthwise.{k}.weight" for k in KERNELS),
        "depthwise_bn.weight", "depthwise_bn.bias", "project.weight", "project_bn.weight", "project_bn.bias",
        "skip.weight",
    ]  # fmt: skip
