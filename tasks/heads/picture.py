"""From a decoder's maps to what is said of every pixel."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tasks.base import Features

SMALL = 0.05
"""Deviation of the first weights of the coarsest map; those of finer ones begin at zero."""


class Picture(nn.Module):
    """Maps -> (B, channels, h, w) of the finest map's size: each map's own convolution, summed from the coarsest on.

    The generator's skips of T. Karras et al., Analyzing and Improving the Image Quality of StyleGAN (arXiv 1912.04958),
    section 4.1: coarse maps get a gradient of their own. A picture begins as smooth as the coarsest map, and detail is
    learnt and not unlearnt.

    Args:
        features: (width, stride) of the maps, the finest first.
        channels: of the result.
    """

    def __init__(self, features: Features, channels: int) -> None:
        super().__init__()
        (finest, _), *coarser = features
        self.predict = nn.Conv2d(finest, channels, 3, padding=1)
        self.coarse = nn.ModuleList(nn.Conv2d(width, channels, 1) for width, _ in coarser)
        coarsest, *others = (self.predict, *self.coarse)[::-1]
        nn.init.normal_(coarsest.weight, std=SMALL)
        for conv in others:
            nn.init.zeros_(conv.weight)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """The sum."""
        finest, *coarser = maps
        total: Tensor | None = None
        for one, conv in reversed(list(zip(coarser, self.coarse, strict=True))):
            here = conv(one)
            total = here if total is None else here + _at(total, here)
        made: Tensor = self.predict(finest)
        return made if total is None else made + _at(total, made)


def _at(image: Tensor, other: Tensor) -> Tensor:
    """An image at the size of another, bilinearly."""
    return F.interpolate(image, other.shape[-2:], mode="bilinear", align_corners=False)
