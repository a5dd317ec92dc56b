"""The two ends of a generator: noise before it; its picture and the discriminator behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from tasks.base import Features
from tasks.heads import noise
from tasks.heads.picture import Picture
from tasks.views.batches import denormalise
from tickets.source import MEAN, STD
from tickets.training.network import Ends

CHANNELS = 3
WIDTHS = (32, 64, 128)
"""Channels of the discriminator, each at half the size of the one before."""
HIDDEN = 128
"""Units of its linear layer."""
GRID = 4
"""Places a side that the linear layer reads."""
VEIL = 0.7
"""Largest deviation of the noise that a discriminator sees images through, whose values lie in -1..1."""
SLOPE = 0.2
"""Of its leaky ReLU below 0."""


class Played(NamedTuple):
    """One round of the game.

    Args:
        image: generated, float (B, 3, H, W), normalised as a batch's.
        real: what the discriminator says of the batch's images, logits (B,).
        fake: of the generated ones, which no gradient goes back to.
        judged: the same logits of a discriminator held fixed, through which the generator learns.
    """

    image: Tensor
    real: Tensor
    fake: Tensor
    judged: Tensor

    def packed(self) -> Tensor:
        """All as one tensor (B, 3 H W + 3)."""
        return torch.cat([self.image.flatten(1), torch.stack(self[1:], 1)], 1)

    @classmethod
    def of(cls, outputs: Tensor, size: Sequence[int]) -> Played:
        """What was packed, of images of (H, W) = `size`."""
        return cls(outputs[:, :-3].unflatten(1, (CHANNELS, *size)), *outputs[:, -3:].unbind(1))


class Noise(nn.Module):
    """An entrance: z ~ N(0, 1), whatever the image is; the image goes past the host to the exit.

    In training z comes from the global generator, which the loop seeds. Else it is decided by the image's pixels, so
    that scores can be repeated and depend on neither batches nor order.

    Args:
        width, stride: of the latents.
    """

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.width, self.stride = width, stride

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, width, H / stride, W / stride), and the image."""
        shape = (self.width, *(side // self.stride for side in image.shape[-2:]))
        if self.training or image.is_meta:
            return torch.randn(len(image), *shape, device=image.device), image
        drawn = noise.of_images(denormalise(image.detach()), math.prod(shape), "prior")
        return drawn.to(image.device).unflatten(1, shape), image


class Discriminator(nn.Module):
    """Images (B, 3, H, W) -> logits (B,), high where they look real: convolutions of kernel 4 and stride 2, two linear.

    A. Radford et al., Unsupervised Representation Learning with Deep Convolutional GANs (arXiv 1511.06434), without
    batch norms, whose statistics would tell a batch of real images from one of generated ones. Before the linear layers
    stands how far images of a batch differ (T. Karras et al., Progressive Growing of GANs, arXiv 1710.10196, section
    3), which shows generated ones that are all alike.

    Args:
        widths: channels of the convolutions.
        hidden: units between the linear layers.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise((CHANNELS, *widths)))
        self.inner, self.score = nn.Linear((widths[-1] + 1) * GRID**2, hidden), nn.Linear(hidden, 1, bias=False)
        for layer in (*self.convs, self.inner, self.score):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
        for layer in (*self.convs, self.inner):
            nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        x = image
        for conv in self.convs:
            x = F.leaky_relu(conv(x), SLOPE)
        x = F.adaptive_avg_pool2d(x, GRID)
        x = F.leaky_relu(self.inner(torch.cat([x, spread(x)], 1).flatten(1)), SLOPE)
        logits: Tensor = self.score(x)
        return logits[:, 0]


def spread(x: Tensor) -> Tensor:
    """How far each image differs from others of its batch: a map (B, 1, h, w) of one number for each group of up to 4.

    The number is the deviation within the group, of every feature, averaged over features.

    Args:
        x: (B, C, h, w).
    """
    groups = next(size for size in (4, 2, 1) if len(x) % size == 0)
    apart = x.unflatten(0, (groups, -1)).var(0, unbiased=False)
    mean = (apart + 1e-8).sqrt().mean((1, 2, 3))
    return mean.repeat(groups)[:, None, None, None].expand(-1, 1, *x.shape[2:])


class Contest(nn.Module):
    """An exit: the host's maps become an image, and the discriminator looks at it and at a real one.

    In training it sees both through noise that is strong for some images and weak for most: it cannot win by detail
    alone, and what it says of coarse form tells the generator where to go (C. K. Sønderby et al., Amortised MAP
    Inference for Image Super-resolution, arXiv 1610.04490, section 3.2; Z. Wang et al., Diffusion-GAN, arXiv
    2206.02262).

    Args:
        features: (width, stride) of the host's maps.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.picture = Picture(features, CHANNELS)
        self.discriminator = Discriminator()
        for name, values in (("mean", MEAN), ("deviation", STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, maps: list[Tensor], image: Tensor) -> Tensor:
        """The round that is played with a batch's images, packed."""
        made = torch.tanh(self.picture(maps))
        shown = (image * self.deviation + self.mean) * 2 - 1
        real, fake = (self.discriminator(self._veiled(one)) for one in (shown, made.detach()))
        fixed = {name: tensor.detach() for name, tensor in self.discriminator.named_parameters()}
        judged = functional_call(self.discriminator, fixed, (self._veiled(made),))
        return Played(((made + 1) / 2 - self.mean) / self.deviation, real, fake, judged).packed()

    def _veiled(self, image: Tensor) -> Tensor:
        """An image of values in -1..1 under noise, in training."""
        if not self.training:
            return image
        strength = VEIL * torch.rand(len(image), 1, 1, 1, device=image.device) ** 2
        return image + strength * torch.randn_like(image)


def round_generator(features: Features, latent: tuple[int, int], both: bool = False) -> Ends:
    """The head of a GAN round its generator.

    Args:
        features: (width, stride) of the generator's maps.
        latent: likewise of what it takes.
        both: whether the discriminator is pruned, too.
    """
    return Ends(Noise(*latent), Contest(features), "exit.discriminator" if both else "")
