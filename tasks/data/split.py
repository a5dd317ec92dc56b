"""The samples of one split, however they are kept: what the feed, checks and pictures see. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.base import Task

Place = tuple[int, *tuple[str | int, ...]]  # a seed and the names and numbers of a random stream


@dataclass(frozen=True)
class Draw:
    """The random streams that augment a batch.

    Args:
        whole: of the batch, where it is augmented as one.
        each: of its samples, where they are augmented one by one.
    """

    whole: Place
    each: Sequence[Place]


class Split(ABC):
    """The samples of one split, in a fixed order."""

    @abstractmethod
    def fingerprint(self) -> str:
        """16 hex digits of what the samples are."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample as it is kept, without augmentation.

        Raises:
            DataError: its file is missing or cannot be read; names it.
        """

    @abstractmethod
    def take(self, indices: Sequence[int]) -> Any:
        """Samples as they are kept, in the order asked for: what `made` takes."""

    @abstractmethod
    def made(self, task: Task, raw: Any, draw: Draw | None = None) -> dict[str, Tensor]:
        """A batch as the host and the loss are given it.

        Args:
            task: whose samples they are.
            raw: as `take` gives them; not modified.
            draw: augments, all randomness from it; None leaves the samples as they are.
        """

    def batch(self, task: Task, indices: Sequence[int], draw: Draw | None = None) -> dict[str, Tensor]:
        """The batch of these samples; see `made`."""
        return self.made(task, self.take(indices), draw)

    def images(self, most: int) -> Iterator[tuple[int, np.ndarray]]:
        """Numbers and pixels of the images, uint8 (H, W, 3); where each has to be decoded of so many at most, spread
        evenly.
        """
        count = min(len(self), most)
        for row in (number * len(self) // count for number in range(count)):
            yield row, np.asarray(self[row]["image"])


class AtOnce(Split):
    """Samples of one size, kept as the task's `batch` takes them and augmented as whole batches."""

    def made(self, task: Task, raw: Mapping[str, Tensor], draw: Draw | None = None) -> dict[str, Tensor]:
        """The task's `batch` of them."""
        from tickets.seeding import generator

        return task.batch(raw, generator(*draw.whole) if draw else None)
