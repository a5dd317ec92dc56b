"""Batch norms in eval mode as what they are: one scale and one shift a channel, which a convolution can take over."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tickets.hosts.blocks import statistics


def affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift of a batch norm in eval mode that keeps statistics, (C,) each."""
    mean, var, _ = statistics(norm)
    scale = torch.rsqrt(var + norm.eps)
    if not norm.affine:
        return scale, -mean * scale
    scale = norm.weight * scale
    return scale, norm.bias - mean * scale


def normed(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution without a bias followed by a batch norm in eval mode."""
    scale, shift = affine(norm)
    return weight * scale[:, None, None, None], shift
