"""A source that ships with the contracts, and a supernet for it: images told apart by their brightness.

Small enough that a draw takes a second on one core; made from numbers, so that no data are needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tickets.hosts.spiking import SpikingSpec
from tickets.hosts.supernet import Spec, Stage
from tickets.seeding import generator
from tickets.source import Batch, Reduction, divergence
from tickets.training.network import Ends

SPEC = Spec(stem=8, stages=(Stage((1, 1), (8, 8)),), expansion=1)
"""A supernet of two branches, for 16x16 images; every layer has a multiple of 8 weights, for patterns that want it."""
DEEP, DEEPER = SPEC.repeated(2), SPEC.repeated(3)
"""Its like with more blocks in every branch."""
TIMED = SpikingSpec(8, 2, ((8,), (8,)), (1, 2), maps=2, timesteps=4)
"""A host that runs its layers at several time steps."""


class Pool(nn.Module):
    """A head: the mean of every map, then one linear layer."""

    def __init__(self, features: list[tuple[int, int]], outputs: int = 2) -> None:
        super().__init__()
        self.predict = nn.Linear(sum(width for width, _ in features), outputs)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps -> (B, outputs) logits."""
        out: Tensor = self.predict(torch.cat([m.mean((2, 3)) for m in maps], dim=1))
        return out


class Squeezed(nn.Module):
    """An entrance: one convolution to latents of this (width, stride), and nothing beside them."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, stride, stride)

    def forward(self, image: Tensor) -> tuple[Tensor, None]:
        """(B, width, H / stride, W / stride)."""
        return self.conv(image), None


class Told(Pool):
    """An exit: the head, which needs no more than the maps."""

    def forward(self, maps: list[Tensor], aside: object = None) -> Tensor:
        """Maps -> (B, outputs) logits."""
        return super().forward(maps)


@dataclass
class Brightness:
    """A `tickets.source.Source` of generated images: noise, brighter where the class is 1 and not 0.

    Args:
        name: of the task.
        size: (H, W) of the images.
        batch_size: images a batch.
        primary: its metric.
        outputs: of its head, at least 2; no class but the first two occurs.
        device: where networks are trained.
    """

    name: str = "toy/bright"
    size: tuple[int, int] = (16, 16)
    batch_size: int = 8
    primary: str = "top1"
    outputs: int = 2
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def head(self, features: list[tuple[int, int]], units: Any = None, width: int | None = None) -> nn.Module:
        """A pooling head."""
        return Pool(features, self.outputs)

    def ends(self, features: list[tuple[int, int]], latent: tuple[int, int]) -> nn.Module:
        """What squeezes images into latents, and a pooling head."""
        return Ends(Squeezed(*latent), Told(features, self.outputs))

    def batch(self, stream: str, step: int) -> Batch:
        """Batch number `step` of a stream, always the same."""
        g = generator(0, stream, step)
        label = torch.randint(0, 2, (self.batch_size,), generator=g)
        image = torch.randn(self.batch_size, 3, *self.size, generator=g) + label[:, None, None, None]
        return {"image": image, "label": label}

    def batches(self, start: int, stop: int | None) -> Iterator[Batch]:
        """Training batches."""
        steps = itertools.count(start) if stop is None else range(start, stop)
        return (self.batch("train", step) for step in steps)

    def calibration(self, count: int) -> Iterator[Batch]:
        """Batches for batch-norm statistics and scorers."""
        return (self.batch("calibration", step) for step in range(count))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross entropy."""
        return F.cross_entropy(outputs, batch["label"])

    def merge(self, outputs: list[Tensor]) -> Tensor:
        """The logarithm of the mean probabilities."""
        return torch.stack([one.log_softmax(1) for one in outputs]).exp().mean(0).log()

    def member(self, number: int) -> Brightness:
        """Itself: its order of images is no one's but its own."""
        return self

    def imitation(
        self, outputs: Tensor, teacher: Tensor, batch: Batch, temperature: float = 1.0, reduction: Reduction = "sum"
    ) -> Tensor:
        """The divergence of the classes' probabilities."""
        return divergence(outputs, teacher, temperature, 1, reduction).mean()

    @torch.no_grad()
    def score(self, network: nn.Module, split: str, limit: int | None = None) -> dict[str, float]:
        """Accuracy on two batches."""
        hits = [
            (network.eval()(b["image"]).argmax(1) == b["label"]).float().mean()
            for b in (self.batch(split, step) for step in range(2))
        ]
        return {"top1": float(torch.stack(hits).mean())}
