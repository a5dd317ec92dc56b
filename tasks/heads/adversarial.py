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
from tasks.views.batches import denormalise
from tickets.source import MEAN, STD
from tickets.training.network import Ends

CHANNELS = 3
WIDTHS = (48, 96, 192)
"""Channels of the discriminator, each at half the size of the one before."""
GRID = 4
"""Places a side that its linear layer reads."""
SLOPE = 0.2
"""Of its leaky ReLU below 0."""
SMALL = 0.05
"""Deviation of the first weights of the layer that makes the picture."""


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
    """Images (B, 3, H, W) -> logits (B,), high where they look real: convolutions of kernel 4 and stride 2, one linear.

    A. Radford et al., Unsupervised Representation Learning with Deep Convolutional GANs (arXiv 1511.06434), section 3:
    batch norm in all but the first convolution, by the statistics of the real images and of the generated ones apart.

    Args:
        widths: channels of the convolutions.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in pairwise((CHANNELS, *widths)))
        self.norms = nn.ModuleList([nn.Identity(), *(nn.BatchNorm2d(width) for width in widths[1:])])
        self.score = nn.Linear(widths[-1] * GRID**2, 1)
        nn.init.zeros_(self.score.bias)
        for layer in (*self.convs, self.score):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        x = image
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.leaky_relu(norm(conv(x)), SLOPE)
        logits: Tensor = self.score(F.adaptive_avg_pool2d(x, GRID).flatten(1))
        return logits[:, 0]


class Contest(nn.Module):
    """An exit: the host's finest map becomes an image, and the discriminator looks at it and at a real one.

    Args:
        features: (width, stride) of the host's maps, the finest first.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: Features) -> None:
        super().__init__()
        (width, _), *_ = features
        self.picture = nn.Conv2d(width, CHANNELS, 3, padding=1)
        nn.init.normal_(self.picture.weight, std=SMALL)
        self.discriminator = Discriminator()
        for name, values in (("mean", MEAN), ("deviation", STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, maps: list[Tensor], image: Tensor) -> Tensor:
        """The round that is played with a batch's images, packed."""
        made = torch.tanh(self.picture(maps[0]))
        shown = (image * self.deviation + self.mean) * 2 - 1
        real, fake = self.discriminator(shown), self.discriminator(made.detach())
        fixed = {name: tensor.detach() for name, tensor in self.discriminator.named_parameters()}
        judged = functional_call(self.discriminator, fixed, (made,))
        return Played(((made + 1) / 2 - self.mean) / self.deviation, real, fake, judged).packed()


def round_generator(features: Features, latent: tuple[int, int], both: bool = False) -> Ends:
    """The head of a GAN round its generator.

    Args:
        features: (width, stride) of the generator's maps.
        latent: likewise of what it takes.
        both: whether the discriminator is pruned, too.
    """
    return Ends(Noise(*latent), Contest(features), "exit.discriminator" if both else "")
