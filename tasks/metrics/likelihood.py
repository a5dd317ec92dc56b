"""The evidence lower bound of images of 256 levels: a discretised logistic, a Gaussian posterior. Pure functions.

D. Kingma, M. Welling, Auto-Encoding Variational Bayes (arXiv 1312.6114); the logistic over levels as in T. Salimans et
al., PixelCNN++ (arXiv 1701.05517), section 2.1.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 256


def on_scale(level: Tensor) -> Tensor:
    """Levels 0..255 -> -1..1, in equal steps of 2/255."""
    return level / 127.5 - 1


def log_mass(level: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Logarithm, in nats, of the mass that a logistic gives to a level: its share within half a step of it.

    The shares below level 0 and above level 255 are theirs, so that all 256 sum to 1. With a and b the ends of the
    step in units of the scale, sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - exp(b - a)): computed as a sum of
    logarithms it neither cancels nor underflows, so that the same exact form serves training and evaluation.
    (PixelCNN++ subtracts, and where the difference is below 1e-5 takes the density at the middle instead.)

    Args:
        level: whole numbers 0..255, of any type.
        mean, log_scale: of the logistic on the scale of `on_scale`, floating, shaped like it.

    Returns:
        At most 0, shaped like them.
    """
    inverse, half = torch.exp(-log_scale), 1 / 255
    offset = on_scale(level.to(mean.dtype)) - mean
    above, below = inverse * (offset + half), inverse * (offset - half)
    lower, upper = F.logsigmoid(above), F.logsigmoid(-below)
    inside = lower + upper + torch.log(-torch.expm1(-2 * half * inverse))
    return torch.where(level <= 0, lower, torch.where(level >= LEVELS - 1, upper, inside))


def given_before(level: Tensor, mean: Tensor, lean: Tensor) -> Tensor:
    """Means of red, of green given red, and of blue given both: PixelCNN++, equation 3, about the means.

    With r and g how far the image's red and green lie from their means, they are m_red, m_green + a r, and
    m_blue + b r + c g, so that `mean` stays what is expected before anything is seen.

    Args:
        level: (B, 3, H, W), whole numbers 0..255.
        mean: (B, 3, H, W), on the scale of `on_scale`.
        lean: (B, 3, H, W), a, b and c.
    """
    red, green, _ = (on_scale(level.to(mean.dtype)) - mean).unbind(1)
    a, b, c = lean.unbind(1)
    return mean + torch.stack([torch.zeros_like(red), a * red, b * red + c * green], 1)


def distortion(level: Tensor, mean: Tensor, log_scale: Tensor, lean: Tensor) -> Tensor:
    """What an image costs given its latent, in nats: (B,)."""
    return -log_mass(level, given_before(level, mean, lean), log_scale).flatten(1).sum(1)


def divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, sigma^2) || N(0, 1)), in nats, by number: (mu^2 + sigma^2 - log sigma^2 - 1) / 2, shaped like them.

    Example:
        >>> divergence(torch.tensor([1.0, 0.0]), torch.tensor([0.0, math.log(4)])).sum()
        tensor(1.3069)
    """
    return (mu.square() + torch.expm1(logvar) - logvar) / 2


def bits(nats: Tensor, size: int) -> Tensor:
    """Nats of an image of so many numbers -> bits per number ("bits per dimension")."""
    return nats / (size * math.log(2))
