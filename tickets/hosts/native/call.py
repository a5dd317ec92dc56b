"""A pair of native calls, forward and backward, and what autograd sees of it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from tickets.hosts.native import memory
from tickets.hosts.native.library import Library
from tickets.hosts.native.memory import Maybe

Formulation = Callable[..., Tensor]
"""x and the weights -> what PyTorch computes of them in training; no statistics are moved."""


@dataclass(frozen=True)
class Call:
    """What modules of one shape are computed by.

    Args:
        kernels: that compute it.
        name: of the functions, before "_sizes", "_forward" and "_backward".
        job: what is asked for; has `width_out`, and `stride` where that is not 2.
        tensors: the struct of addresses: x, the weights, and what else they have by name.
        weights: names of the weights in that struct, in the order in which they are given.
        kept: names of what a forward pass leaves for the backward pass, beside x and statistics.
    """

    kernels: Library
    name: str
    job: Any
    tensors: Callable[..., Any]
    weights: Sequence[str]
    kept: Sequence[str]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Elements of each that is kept, doubles of statistics, bytes of the workspace."""
        return self.kernels.sizes(self.name, self.job, len(self.kept) + 2)

    def forward(self, x: Tensor, weights: Maybe, running: Maybe) -> tuple[Tensor, list[Tensor]]:
        """The output, and x, what is kept and statistics for the backward pass."""
        x, weights = memory.rows(x), memory.plain(weights)  # held until the kernels are done
        *elements, stats, _ = self.sizes
        kept = [x, *(memory.kept(x, size) for size in elements), memory.kept(x, stats, torch.float64)]
        out = memory.maps(x, self.job.width_out, getattr(self.job, "stride", 2))
        given = self._tensors(kept, weights)
        given.out, given.running = out.data_ptr(), (ctypes.c_void_p * len(running))(*map(memory.at, running))
        self.kernels.call(f"{self.name}_forward", self.job, given)
        return out, kept

    def backward(self, dout: Tensor, kept: Sequence[Tensor], weights: Maybe) -> list[Tensor | None]:
        """The gradients of x and of the weights."""
        dout, weights, dx = memory.rows(dout), memory.plain(weights), torch.empty_like(kept[0])
        grads = [None if weight is None else torch.empty_like(weight) for weight in weights]
        given = self._tensors(kept, weights)
        given.dout, given.dx = dout.data_ptr(), dx.data_ptr()
        for name, grad in zip(self.weights, grads, strict=True):
            setattr(given, f"d_{name}", memory.at(grad))
        self.kernels.call(f"{self.name}_backward", self.job, given)
        return [dx, *grads]

    def _tensors(self, kept: Sequence[Tensor], weights: Maybe) -> Any:
        x, *rest, stats = kept
        given = self.tensors(x.data_ptr(), *map(memory.at, weights))
        for name, tensor in zip(self.kept, rest, strict=True):
            setattr(given, name, memory.aligned(tensor))
        given.stats, given.workspace = memory.aligned(stats), memory.workspace(self.sizes[-1])
        return given

    def run(self, formulation: Formulation, x: Tensor, weights: Maybe, running: Maybe) -> Tensor:
        """The output, which gradients can be taken of; second ones are those of PyTorch's formulation."""
        if not torch.is_grad_enabled():
            return self.forward(x, weights, running)[0]
        out: Tensor = _Native.apply(self, formulation, running, x, *weights)
        return out


class _Native(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, call: Call, formulation: Formulation, running: Maybe, x: Tensor, *weights: Tensor | None
    ) -> Tensor:
        out, kept = call.forward(x, weights, running)
        ctx.call, ctx.formulation = call, formulation
        ctx.save_for_backward(x, *kept, *weights)
        return out

    @staticmethod
    def backward(ctx: Any, *douts: Tensor) -> tuple[Tensor | None, ...]:
        x, *rest = ctx.saved_tensors
        count = len(ctx.call.kept) + 2
        kept, weights = rest[:count], rest[count:]
        if torch.is_grad_enabled():  # the gradient is to be differentiated itself
            grads = _differentiated(ctx.formulation(x, *weights), (x, *weights), douts[0])
        else:
            grads = ctx.call.backward(douts[0], kept, weights)
        wanted = ctx.needs_input_grad[3:]
        return None, None, None, *(g if is_wanted else None for g, is_wanted in zip(grads, wanted, strict=True))


def _differentiated(out: Tensor, inputs: Maybe, dout: Tensor) -> list[Tensor | None]:
    """The gradients of all inputs that want one, with a graph."""
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(out, wanted, dout, create_graph=True))
    return [next(found) if t is not None and t.requires_grad else None for t in inputs]
