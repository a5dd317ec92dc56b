"""Patterns: kernels and output channels that stay or go whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tickets.patterns.base import Whole


@dataclass(frozen=True)
class Kernel(Whole):
    """The kernel from one input channel to one output; a single weight in 1x1 convolutions and linear layers."""

    def grouping(self, name: str, shape: Sequence[int]) -> Tensor:
        """(out * in, height * width)."""
        return torch.arange(math.prod(shape)).view(shape[0] * shape[1], -1)


@dataclass(frozen=True)
class Channel(Whole):
    """All weights of one output channel, a filter (Li et al., arXiv 1608.08710)."""

    def grouping(self, name: str, shape: Sequence[int]) -> Tensor:
        """(out, in * height * width)."""
        return torch.arange(math.prod(shape)).view(shape[0], -1)
