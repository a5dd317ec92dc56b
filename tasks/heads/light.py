"""Light heads: from a host's feature maps to outputs, cheap enough that a step's time is the host's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.base import Features


class Classifier(nn.Module):
    """Every map averaged over its pixels, concatenated, one linear layer.

    Args:
        features: (width, stride) of each map.
        outputs: classes C.
    """

    def __init__(self, features: Features, outputs: int) -> None:
        super().__init__()
        self.predict = nn.Linear(sum(width for width, _ in features), outputs)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, width, H / stride, W / stride) -> logits (B, C)."""
        return self.predict(torch.cat([m.mean((2, 3)) for m in maps], 1))


class DenseHead(nn.Module):
    """Maps summed at the finest one's size, for segmentation and pose.

    A 1x1 convolution of upsampled and concatenated maps equals the sum of each map's own 1x1 convolution,
    upsampled afterwards: both act linearly, one on channels, one on pixels. So each map is projected where it
    is small, and the sum climbs bilinearly from the coarsest map to the finest; then batch norm, ReLU and a
    last 1x1 convolution.

    Args:
        features: (width, stride) of each map.
        outputs: channels of the output, classes or joints.
        width: channels between the two convolutions.
    """

    def __init__(self, features: Features, outputs: int, width: int = 48) -> None:
        super().__init__()
        self.order = sorted(range(len(features)), key=lambda i: -features[i][1])  # coarsest first
        self.project = nn.ModuleList(nn.Conv2d(w, width, 1, bias=False) for w, _ in features)
        self.norm = nn.BatchNorm2d(width)
        self.predict = nn.Conv2d(width, outputs, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, width, H / stride, W / stride) -> outputs (B, outputs, h, w) of the finest map's size."""
        total: Tensor | None = None
        for i in self.order:
            here = self.project[i](maps[i])
            if total is not None:
                if total.shape[2:] != here.shape[2:]:
                    total = F.interpolate(total, here.shape[2:], mode="bilinear", align_corners=False)
                here = here + total
            total = here
        return self.predict(F.relu(self.norm(total)))
