"""A task under test, and small pieces of it for the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.base import Task
from tasks.data import likeness
from tasks.data.split import Split
from tasks.feed import Feed
from tickets.seeding import seeded
from tickets.source import head_of
from tickets.training.network import Network

FEATURES = [(6, 4), (8, 8)]  # (width, stride) of the maps that heads are tried on
PAGE = 8  # samples that are looked at together
MOST_DECODED = 2000  # images a split of a full pipeline that are compared with the other splits'

Batch = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Pictures:
    """The images of a split, or so many that are spread over it where each has to be decoded.

    Args:
        digests: of the pixels of each.
        looks: of each.
    """

    digests: list[bytes]
    looks: likeness.Looks

    @classmethod
    def of(cls, data: Split) -> Pictures:
        """Those of a split."""
        digests: list[bytes] = []

        def noted() -> Iterator[tuple[int, np.ndarray]]:
            for row, image in data.images(MOST_DECODED):
                digests.append(blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).digest())
                yield row, image

        return cls(digests, likeness.looks(noted()))

    def rows(self) -> Iterator[tuple[int, bytes]]:
        """The number of each image, and the digest of its pixels."""
        return zip(self.looks.rows.tolist(), self.digests, strict=True)


@dataclass(frozen=True, eq=False)
class Subject:
    """A task under test.

    Args:
        name: its registered name.
        task: the adapter.
        heads: "light" or "paper", which head is tried.
        most: samples a split that checks of values look at, spread evenly over it.
        seconds: how long the loader's speed is measured, for each number of workers.
        looked: the images that were looked at, by split.
        kept: the splits that were asked for; the task looks at all files each time, seconds where there are many.
    """

    name: str
    task: Task
    heads: str = "light"
    most: int = 256
    seconds: float = 1.0
    looked: dict[str, Pictures] = field(default_factory=dict)
    kept: dict[str, Split] = field(default_factory=dict)

    @cached_property
    def prints(self) -> dict[str, str]:
        """The fingerprints; everything is prepared."""
        return self.task.prepare()

    def split(self, name: str) -> Split:
        """The samples of a split; asked for once."""
        if name not in self.kept:
            self.kept[name] = self.task.split(name)
        return self.kept[name]

    def pictures(self, split: str) -> Pictures:
        """The images of a split; looked at once."""
        self.prints  # noqa: B018  prepares everything
        if split not in self.looked:
            self.looked[split] = Pictures.of(self.split(split))
        return self.looked[split]

    def page(self, split: str, rows: list[int]) -> Batch:
        """Samples of a split as they are scored."""
        return self.split(split).batch(self.task, rows)

    def pages(self, split: str) -> Iterator[Batch]:
        """At most `most` samples of a split, some at a time."""
        count = len(self.split(split))
        rows = np.linspace(0, count - 1, min(count, self.most)).astype(int).tolist()
        size = min(PAGE, self.task.scoring_batch)
        return (self.page(split, rows[start : start + size]) for start in range(0, len(rows), size))

    def feed(self, workers: int = 0, seed: int = 0, size: int = PAGE) -> Feed:
        """Training batches."""
        return Feed(self.name, self.task, size, seed, self.heads, workers)

    def training_batch(self) -> Batch:
        """The first training batch."""
        return next(self.feed().batches(0, 1))

    def network(self, seed: int = 0) -> Network:
        """A small host with the task's head; images -> outputs."""
        with seeded(seed, "contract"):
            host = _Host() if "image" in self.task.stands_on else _Maker()
            return Network(host, head_of(self.feed(), host))


class _Maker(nn.Module):
    """A host that takes latents of 4 channels at stride 16, and makes one map of the image's size."""

    def __init__(self) -> None:
        super().__init__()
        self.latent, self.features = (4, 16), [(6, 1)]
        self.wide = nn.Conv2d(4, 6 * 16**2, 1)

    def forward(self, latent: Tensor) -> list[Tensor]:
        return [torch.relu(F.pixel_shuffle(self.wide(latent), 16))]


class _Host(nn.Module):
    """Two small maps, at strides 4 and 8."""

    def __init__(self) -> None:
        super().__init__()
        self.features = FEATURES
        self.first = nn.Conv2d(3, FEATURES[0][0], 4, 4)
        self.second = nn.Conv2d(FEATURES[0][0], FEATURES[1][0], 3, 2, 1)

    def forward(self, image: Tensor) -> list[Tensor]:
        fine = torch.relu(self.first(image))
        return [fine, torch.relu(self.second(fine))]
