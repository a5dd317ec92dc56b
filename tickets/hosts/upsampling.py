"""From a latent to a map as large as an image: the stack of a decoder, dense beside a host or a host of its own."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

DOUBLINGS = 3
MULTIPLE = 2**DOUBLINGS
"""What height and width of the images are whole multiples of."""


class Decoder(nn.Module):
    """A linear layer to a map of an eighth of the size, then three times: doubled, 3x3 convolution, batch norm, ReLU.

    Nearest-neighbour doubling before a convolution stands in for the transposed convolutions of DCGAN (arXiv
    1511.06434), which it equals in shape and which leave a chequered pattern (Odena et al., Deconvolution and
    Checkerboard Artifacts, Distill 2016). A last convolution to channels is left to the head.

    Args:
        latent: numbers d of an image's latent.
        size: (H, W) of the images, multiples of 8.
        width: channels C of the map; at the smaller sizes there are twice, three and four times as many.
    """

    def __init__(self, latent: int, size: tuple[int, int], width: int) -> None:
        super().__init__()
        self.features = [(width, 1)]
        widths = [width * times for times in range(DOUBLINGS + 1, 0, -1)]
        self.start = (widths[0], size[0] // MULTIPLE, size[1] // MULTIPLE)
        self.first = nn.Linear(latent, widths[0] * self.start[1] * self.start[2], bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.grow = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
            for before, after in pairwise(widths)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Latents (B, d) -> a map (B, C, H, W)."""
        x = F.relu(self.norm(self.first(latent).unflatten(1, self.start)))
        for block in self.grow:
            x = block(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return x
