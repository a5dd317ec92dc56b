"""A search block's depthwise convolutions as one, differentiable; the same function as PyTorch's, sums reordered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tickets.hosts.fastconv import gradients

REALS = (torch.float32, torch.bfloat16)
PIXELS, CHANNELS, ROUNDS = 32, 32, 32
"""Pixels and channels of a program at a time, and how often one of the weights' gradient goes on; not yet tuned."""


def serves(x: Tensor) -> bool:
    """Whether the kernels can convolve a map."""
    is_plain = type(x) is Tensor and not torch.compiler.is_compiling()
    return is_plain and x.device.type == "cuda" and x.dtype in REALS and x.numel() > 0


def depthwise(x: Tensor, weights: Sequence[Tensor], stride: int) -> Tensor:
    """Consecutive channels by kernels of several sizes, padded to keep the size; float32 sums in a fixed order.

    Under autocast all is computed in its type, as PyTorch's convolutions are. Second derivatives are PyTorch's.

    Args:
        x: (B, C, H, W), float32 or bfloat16.
        weights: (n, 1, k, k) each, k odd; the n add up to C.
        stride: in both directions.

    Returns:
        (B, C, H/stride, W/stride), channels_last.
    """
    side = max(weight.shape[-1] for weight in weights)
    table = torch.cat([F.pad(weight, [(side - weight.shape[-1]) // 2] * 4) for weight in weights])
    if torch.is_autocast_enabled(x.device.type):
        low = torch.get_autocast_dtype(x.device.type)
        x, table = x.to(low), table.to(low)
    sizes = tuple((len(weight), weight.shape[-1]) for weight in weights)
    out: Tensor = _Depthwise.apply(x, table, sizes, stride)
    return out


Sizes = tuple[tuple[int, int], ...]
"""Number of channels and size of their kernels, in the order of the channels."""


class _Depthwise(torch.autograd.Function):
    """The convolution of a map by kernels that are padded with zeros to the size of the largest, (C, 1, side, side).

    The zeros get no gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, sizes: Sizes, stride: int) -> Tensor:
        ctx.save_for_backward(x, table)
        ctx.sizes, ctx.stride = sizes, stride
        height, width = ((length - 1) // stride + 1 for length in x.shape[2:])
        return _gather(x, table, sizes, (height, width), (stride, 1, 1))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, table = ctx.saved_tensors
        grad, wanted, stride, half = grads[0], ctx.needs_input_grad, ctx.stride, table.shape[-1] // 2
        if torch.is_grad_enabled():  # the gradient is to be differentiated itself
            to_x, to_table = (
                gradients(grad, x, table, stride, (half, half), of=i) if wanted[i] else None for i in (0, 1)
            )
            return to_x, to_table, None, None
        to_x = _gather(grad, table, ctx.sizes, x.shape[2:], (1, -1, stride)) if wanted[0] else None
        return to_x, _weigh(x, grad, table, ctx.sizes, stride) if wanted[1] else None, None, None


def _gather(x: Tensor, table: Tensor, sizes: Sizes, to: Sequence[int], steps: tuple[int, int, int]) -> Tensor:
    from tickets.hosts.triton import kernels

    x, rows = x.contiguous(memory_format=torch.channels_last), table.flatten(1).t().contiguous()
    out = torch.empty((*x.shape[:2], *to), dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    pixels, bands = len(x) * to[0] * to[1], _bands(sizes, x.device)
    grid = -(-pixels // PIXELS), len(bands)
    with torch.cuda.device_of(x):
        kernels.gather[grid](
            x, rows, out, bands, pixels, *x.shape[2:], *to, x.shape[1], table.shape[-1], *steps, PIXELS, CHANNELS
        )
    return out


def _weigh(x: Tensor, grad: Tensor, table: Tensor, sizes: Sizes, stride: int) -> Tensor:
    from tickets.hosts.triton import kernels

    x, grad = (t.contiguous(memory_format=torch.channels_last) for t in (x, grad))
    pixels, bands, side = grad[:, 0].numel(), _bands(sizes, x.device), table.shape[-1]
    grid = -(-pixels // (PIXELS * ROUNDS)), len(bands)
    partial = x.new_zeros(grid[0], side * side, x.shape[1], dtype=torch.float32)
    sizes_of = (pixels, *x.shape[2:], *grad.shape[2:], x.shape[1])
    with torch.cuda.device_of(x):
        kernels.weigh[grid](x, grad, partial, bands, *sizes_of, side, stride, ROUNDS, PIXELS, CHANNELS)
    return partial.sum(0).t().reshape(table.shape).to(table.dtype)


@lru_cache(1024)
def _bands(sizes: Sizes, device: torch.device) -> Tensor:
    """What the programs of a convolution have to do, as kernels.py says; sent to the device once an architecture."""
    rows, first = [], 0
    for channels, size in sizes:
        end = first + channels
        rows += [(start, end, size // 2) for start in range(first, end, CHANNELS)]
        first = end
    return torch.tensor(rows, dtype=torch.int32, device=device)
