"""The two ends of a decoder: a dense encoder before it, the picture that a likelihood looks at behind it."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from tasks.base import Features
from tasks.heads import noise
from tasks.heads.latent import CHANNELS, DESCRIBED, Encoding, described
from tasks.heads.picture import Picture
from tickets.training.network import Ends

WIDTHS = (16, 32, 64)
"""Channels of the encoder's maps, each at half the size of the one before."""

Gaussian = tuple[Tensor, Tensor]


class Encoder(nn.Module):
    """An entrance: convolutions of kernel 4 and stride 2, batch norms and ReLUs, a posterior, a latent drawn from it.

    Args:
        size: (H, W) of the images.
        width, stride: of the latents.
    """

    def __init__(self, size: tuple[int, int], width: int, stride: int) -> None:
        super().__init__()
        self.shape = (width, size[0] // stride, size[1] // stride)
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
                for a, b in pairwise((CHANNELS, *WIDTHS))
            )
        )
        self.encode = Encoding([(WIDTHS[-1], 2 ** len(WIDTHS))], size, width * self.shape[1] * self.shape[2])

    def forward(self, image: Tensor) -> tuple[Tensor, Gaussian]:
        """(B, width, H / stride, W / stride), and what it was drawn from."""
        mu, logvar = self.encode([self.layers(image)])
        return noise.drawn(mu, logvar, self.training).unflatten(1, self.shape), (mu, logvar)


class Likelihood(nn.Module):
    """An exit: the host's maps become a logistic for every number of the image.

    Args:
        features: (width, stride) of the host's maps.
    """

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.picture = Picture(features, DESCRIBED)

    def forward(self, maps: list[Tensor], posterior: Gaussian) -> Tensor:
        """`tasks.heads.latent.Told.packed`."""
        return described(self.picture(maps), *posterior)


def round_decoder(features: Features, latent: tuple[int, int], size: tuple[int, int]) -> Ends:
    """The head of a variational autoencoder round its decoder.

    Args:
        features: (width, stride) of the decoder's maps.
        latent: likewise of what it takes.
        size: (H, W) of the images.
    """
    return Ends(Encoder(size, *latent), Likelihood(features))
