"""Two convolutions written so that PyTorch's CPU kernels are fast in channels_last; the mathematics is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 3
"""oneDNN's weight gradient of a depthwise convolution takes 5 to 20 times as long for kernels wider than this."""


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """A 1x1 convolution of stride 1 as one matrix product, free of copies where x is channels_last.

    Args:
        x: (B, in, H, W).
        weight: (out, in, 1, 1).

    Returns:
        (B, out, H, W), channels_last.
    """
    return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)


def depthwise(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """A depthwise convolution, padded to keep the size; (B, C, H, W) -> (B, C, H/stride, W/stride).

    Args:
        x: (B, C, H, W).
        weight: (C, 1, k, k), k odd.
        stride: in both directions.
    """
    is_trained = torch.is_grad_enabled() and weight.requires_grad
    if weight.shape[-1] > TILE and is_trained and not torch.is_autocast_enabled(x.device.type):
        return cast(Tensor, _Tiled.apply(x, weight, stride))
    return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, len(weight))


class _Tiled(torch.autograd.Function):
    """A depthwise convolution whose weight gradient is computed for `TILE` columns of the kernel at a time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        padding = weight.shape[-1] // 2
        to_input, to_weight = ctx.needs_input_grad[:2]
        return (
            gradients(grad, x, weight, ctx.stride, (padding, padding), of=0) if to_input else None,
            _weight_gradient(grad, x, weight, ctx.stride) if to_weight else None,
            None,
        )


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    size = weight.shape[-1]
    padded = F.pad(x, (size // 2, size // 2))
    columns = []
    for left in range(0, size, TILE):
        tile = weight[..., left : left + TILE]
        width = stride * (grad.shape[-1] - 1) + tile.shape[-1]
        columns.append(gradients(grad, padded[..., left : left + width], tile, stride, (size // 2, 0), of=1))
    return torch.cat(columns, 3)


def gradients(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: tuple[int, int], of: int) -> Tensor:
    """The gradient of the input (`of` 0) or of the weight (1); differentiable itself."""
    wanted = (of == 0, of == 1, False)
    found: Sequence[Tensor] = torch.ops.aten.convolution_backward(
        grad, x, weight, None, (stride, stride), padding, (1, 1), False, (0, 0), len(weight), wanted
    )
    return found[of]
