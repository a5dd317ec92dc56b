"""A layer of a stem (convolution 3x3 of stride 2 - BN - ReLU) by native kernels, differentiable."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tickets.hosts.native import library, memory, serving
from tickets.hosts.native.block import differentiated
from tickets.hosts.native.force import Force
from tickets.hosts.native.library import StemJob, StemTensors
from tickets.hosts.native.memory import Maybe


def serves(conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor) -> bool:
    """Whether the kernels compute what a layer is asked for."""
    return serving.serves((norm,), (conv, norm), x)


def run(conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor, force: Force) -> Tensor:
    """What `relu(norm(conv(x)))` returns; statistics in training are moved.

    Args:
        conv: 3x3, stride 2, padding 1, without bias; `serves` must allow it.
        norm: of its output.
        x: (B, in, H, W), float32 or float64.
        force: which kernels.

    Returns:
        (B, out, H/2, W/2), channels_last.
    """
    serving.count((norm,))
    call = _planned(
        (*(x.shape[i] for i in (0, 2, 3)), conv.in_channels, conv.out_channels, force.threads),
        (not norm.training, x.requires_grad),
        (norm.eps, serving.momentum(norm)),
        force.kind,
        serving.REALS[x.dtype],
    )
    weights, running = (conv.weight, norm.weight, norm.bias), (norm.running_mean, norm.running_var)
    if not torch.is_grad_enabled():
        return call.forward(x, weights, running)[0]
    out: Tensor = _Layer.apply(call, running, x, *weights)
    return out


@lru_cache(256)
def _planned(sizes: tuple[int, ...], rest: tuple[bool, bool], norm: tuple[float, float], kind: str, real: str) -> Call:
    return Call(library.load(kind, real), StemJob(*sizes, *rest, *norm))


class Call:
    """What a layer of one shape is computed by.

    Args:
        kernels: that compute it.
        job: what is asked for.
    """

    def __init__(self, kernels: library.Library, job: StemJob) -> None:
        self.kernels, self.job = kernels, job
        self.y, self.stats, self.workspace, _ = kernels.sizes("stem", job)

    def forward(self, x: Tensor, weights: Maybe, running: Maybe) -> tuple[Tensor, list[Tensor]]:
        """The layer's output, and x, the convolved values and statistics for the backward pass."""
        x, weights = memory.rows(x), memory.plain(weights)
        kept = [x, memory.kept(x, self.y), memory.kept(x, self.stats, torch.float64)]
        out = memory.maps(x, self.job.width_out, 2)
        given = self._tensors(kept, weights)
        given.out, given.running = out.data_ptr(), (ctypes.c_void_p * 2)(*map(memory.at, running))
        self.kernels.call("stem_forward", self.job, given)
        return out, kept

    def backward(self, dout: Tensor, kept: Sequence[Tensor], weights: Maybe) -> list[Tensor | None]:
        """The gradients of x, where it wants one, and of the weights."""
        dout, weights = memory.rows(dout), memory.plain(weights)
        dx = torch.empty_like(kept[0]) if self.job.wants_dx else None
        grads = [None if weight is None else torch.empty_like(weight) for weight in weights]
        given = self._tensors(kept, weights)
        given.dout, given.dx = dout.data_ptr(), memory.at(dx)
        given.dweight, given.dgamma, given.dbeta = map(memory.at, grads)
        self.kernels.call("stem_backward", self.job, given)
        return [dx, *grads]

    def _tensors(self, kept: Sequence[Tensor], weights: Maybe) -> StemTensors:
        x, y, stats = kept
        given = StemTensors(x.data_ptr(), *map(memory.at, weights))
        given.y, given.stats = memory.aligned(y), memory.aligned(stats)
        given.workspace = memory.workspace(self.workspace)
        return given


class _Layer(torch.autograd.Function):
    """A layer in training. Second derivatives are those of PyTorch's formulation."""

    @staticmethod
    def forward(ctx: Any, call: Call, running: Maybe, x: Tensor, *weights: Tensor) -> Tensor:
        out, kept = call.forward(x, weights, running)
        ctx.call = call
        ctx.save_for_backward(x, *kept, *weights)
        return out

    @staticmethod
    def backward(ctx: Any, *douts: Tensor) -> tuple[Tensor | None, ...]:
        x, *rest = ctx.saved_tensors
        kept, weights = rest[:3], rest[3:]
        if torch.is_grad_enabled():  # the gradient is to be differentiated itself
            grads = differentiated(_by_torch(ctx.call.job.eps, x, *weights), (x, *weights), douts[0])
        else:
            grads = ctx.call.backward(douts[0], kept, weights)
        wanted = ctx.needs_input_grad[2:]
        return None, None, *(g if is_wanted else None for g, is_wanted in zip(grads, wanted, strict=True))


def _by_torch(eps: float, x: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """The layer in training, without statistics."""
    return F.relu(F.batch_norm(F.conv2d(x, weight, None, 2, 1), None, None, gamma, beta, True, eps=eps))
