"""A host that takes latents: the decoder of a variational autoencoder, which is also the generator of a GAN.

N. Kalibhat, Y. Balaji, S. Feizi, Winning Lottery Tickets in Deep Generative Models (arXiv 2010.02350), carry masks
from a decoder to a generator and back, which have their layers from the second deconvolution on in common. Here both
are the same host, so that no layer is left out; what each of them has beside it is a task's head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from tickets.errors import UserError
from tickets.hosts import limits
from tickets.hosts.base import Features, HostSpec
from tickets.search.searchable import Units
from tickets.traits import Traits

FIRST = 4
"""Pixels of a side that one place of the latent becomes at first."""


@dataclass(frozen=True)
class DecoderSpec(HostSpec):
    """A decoder before any drawing: one place of the latent becomes 4x4 pixels, and each further width doubles that.

    Args:
        latent: channels of what it takes.
        widths: channels of the maps, the coarsest first.

    Raises:
        UserError: a number is below 1, or there is no width.
    """

    kind: ClassVar[str] = "decoder"
    traits: ClassVar[Traits] = Traits(takes="latent")
    latent: int = 64
    widths: tuple[int, ...] = (96, 64, 32, 24)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if not self.widths or min(self.latent, *self.widths) < 1:
            raise UserError(
                f"latent {self.latent} and widths {self.widths} make no decoder; give whole numbers of at least 1, as "
                "in latent=32."
            )
        limits.whole("latent", [self.latent])
        limits.whole("a width", self.widths)
        limits.whole("the number of widths", [len(self.widths)], most=16)

    def build(self, units: Mapping[str, Units] | None = None) -> Decoder:
        """The decoder with fresh weights; `units` must be empty, it has none."""
        if units:
            raise ValueError(f"a decoder has no units to search, got {len(units)} blocks")
        return Decoder(self.latent, self.widths)


class Decoder(nn.Module):
    """Latents (B, latent, h, w) -> a map of each width, of 4h x 4w pixels, 8h x 8w and so on; the finest first.

    The first layer is a deconvolution of kernel and stride 4, written as a 1x1 convolution whose channels become
    pixels; each further one doubles the pixels and runs a 3x3 convolution over them, which leaves no checkerboards
    (A. Odena et al., Deconvolution and Checkerboard Artifacts, 2016). Batch norm and ReLU follow each.

    Args:
        latent: channels of what it takes.
        widths: channels of the maps, the coarsest first.
    """

    def __init__(self, latent: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.latent = (latent, FIRST * 2 ** (len(widths) - 1))
        self.features: Features = [(width, 2**i) for i, width in enumerate(reversed(widths))]
        self.first = nn.Conv2d(latent, widths[0] * FIRST**2, 1, bias=False)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        for conv in (self.first, *self.convs):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def forward(self, latent: Tensor) -> list[Tensor]:
        """The maps."""
        norm, *norms = self.norms
        maps = [F.relu(norm(F.pixel_shuffle(self.first(latent), FIRST)))]
        for conv, norm in zip(self.convs, norms, strict=True):
            maps.append(F.relu(norm(conv(F.interpolate(maps[-1], scale_factor=2.0, mode="nearest")))))
        return maps[::-1]


TINY = DecoderSpec()
"""Of 32x32 images, and of multiples of that: for CPUs."""
