"""The head of a variational autoencoder whose encoder is the host: a posterior, a latent, a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.base import Features
from tasks.heads import noise
from tickets.hosts.upsampling import Decoder

CHANNELS = 3
DESCRIBED = 3 * CHANNELS
"""Maps that a decoder ends in: `described`."""
SHARPEST = -7.0
"""The least logarithm of a scale: a ninth of a level."""
WIDEST = 4.0
"""The largest, under which all levels are alike and their masses still differ from 0."""
START = -2.0
"""The logarithm of a scale where the last layer says 0: about 17 levels."""
LOOSEST = 10.0
"""The largest logarithm of sigma^2, whose exponential is a number."""
SURE = -4.0
"""The logarithm of sigma^2 where the encoding says 0: latents begin with more signal than noise, so that the decoder
learns to listen before the divergence silences them."""


class Told(NamedTuple):
    """What the head says of images.

    Args:
        mean, log_scale: (B, 3, H, W), of the logistic of every channel of every pixel, levels lying in -1..1.
        lean: (B, 3, H, W), how far means follow channels before theirs: `tasks.metrics.likelihood.given_before`.
        mu, logvar: (B, d), of the Gaussian that the latent was drawn from.
    """

    mean: Tensor
    log_scale: Tensor
    lean: Tensor
    mu: Tensor
    logvar: Tensor

    def packed(self) -> Tensor:
        """All as one tensor (B, 9 H W + 2 d)."""
        return torch.cat([part.flatten(1) for part in self], 1)

    @classmethod
    def of(cls, outputs: Tensor, size: tuple[int, int]) -> Told:
        """What was packed, of images of (H, W) = `size`."""
        shape = (CHANNELS, *size)
        count = CHANNELS * size[0] * size[1]
        latent = (outputs.shape[1] - 3 * count) // 2
        *maps, mu, logvar = outputs.split([count, count, count, latent, latent], 1)
        mean, log_scale, lean = (part.unflatten(1, shape) for part in maps)
        return cls(mean, log_scale, lean, mu, logvar)


class Encoding(nn.Module):
    """Every map averaged over a grid of its parts, concatenated, one linear layer to a Gaussian.

    Args:
        features: (width, stride) of each map.
        size: (H, W) of the images.
        latent: numbers d of the latent.
        grid: parts a side at most; a smaller map keeps its pixels.
    """

    def __init__(self, features: Features, size: tuple[int, int], latent: int, grid: int = 8) -> None:
        super().__init__()
        height, width = size
        self.grids = [
            (max(1, min(grid, height // stride)), max(1, min(grid, width // stride))) for _, stride in features
        ]
        inputs = sum(width * rows * columns for (width, _), (rows, columns) in zip(features, self.grids, strict=True))
        self.project = nn.Linear(inputs, 2 * latent)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps (B, width, H / stride, W / stride) -> mu and the logarithm of sigma^2, (B, d) each."""
        pooled = [F.adaptive_avg_pool2d(m, grid).flatten(1) for m, grid in zip(maps, self.grids, strict=True)]
        mu, logvar = self.project(torch.cat(pooled, 1)).float().chunk(2, 1)
        return mu, (logvar + SURE).clamp(max=LOOSEST)


class Autoencoder(nn.Module):
    """Posterior, latent and decoder on a host's maps; none of it is ever pruned, so that tickets are encoders.

    A linear way from the latent to the means lies beside the convolutions: it finds the principal components at once,
    and so keeps the latent from falling silent before the convolutions have learnt to listen.

    Args:
        features: (width, stride) of each map.
        size: (H, W) of the images, multiples of 8.
        latent: numbers d of the latent.
        width: channels of the decoder's largest map.
    """

    def __init__(self, features: Features, size: tuple[int, int], latent: int, width: int) -> None:
        super().__init__()
        self.encode = Encoding(features, size, latent)
        self.decode = Decoder(latent, size, width)
        self.predict = nn.Conv2d(width, DESCRIBED, 3, padding=1)
        self.straight = nn.Linear(latent, CHANNELS * size[0] * size[1])
        nn.init.zeros_(self.straight.weight)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps -> `Told.packed`, (B, 9 H W + 2 d)."""
        mu, logvar = self.encode(maps)
        latent = noise.drawn(mu, logvar, self.training)
        made = self.predict(self.decode(latent))
        means = self.straight(latent).view(len(latent), CHANNELS, *made.shape[2:])
        return described(torch.cat([made[:, :CHANNELS] + means, made[:, CHANNELS:]], 1), mu, logvar)


def described(made: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """`Told.packed` of a decoder's last map.

    Args:
        made: (B, 9, H, W), means, what logarithms of scales are made of, and how means follow channels before theirs.
        mu, logvar: (B, d), of the posterior.
    """
    mean, scale, lean = made.float().chunk(3, 1)
    return Told(mean, (scale + START).clamp(SHARPEST, WIDEST), lean, mu, logvar).packed()
