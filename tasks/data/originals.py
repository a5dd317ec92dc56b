"""Samples read from their files each time they are asked for: the field's own pipelines, and a look at a few."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.data.decoding import Job, decoded
from tasks.data.samples import Check, Row, Sample, hashed, many
from tasks.data.split import AtOnce, Draw, Place, Split
from tickets.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.base import Task


@dataclass(frozen=True, eq=False)
class Originals(Split):
    """The samples of one split as large as they are, decoded when asked for and augmented one by one.

    Args:
        samples: in a fixed order.
        load: from a sample to its arrays at full size, "image" uint8 (H, W, 3).
    """

    samples: Sequence[Sample]
    load: Callable[[Sample], Row]

    def fingerprint(self) -> str:
        """Of names, extras, names and sizes of files."""
        return fingerprint(self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Row:
        """One sample, decoded.

        Raises:
            DataError: its file is missing or cannot be read; names it.
        """
        return decoded(self.samples[index], self.load)

    def take(self, indices: Sequence[int]) -> list[Row]:
        """Several samples, decoded."""
        return [self[index] for index in indices]

    def made(self, task: Task, raw: Sequence[Row], draw: Draw | None = None) -> dict[str, Tensor]:
        """The task's `view` of each."""
        from torch.utils.data import default_collate

        if draw is None:
            return default_collate([task.view(row, training=False) for row in raw])
        return default_collate([_augmented(task, row, place) for row, place in zip(raw, draw.each, strict=True)])


def _augmented(task: Task, row: Row, place: Place) -> dict[str, Tensor]:
    from tickets.seeding import libraries_seeded

    with libraries_seeded(*place):
        return task.view(row, training=True)


@dataclass(frozen=True, eq=False)
class Fresh(AtOnce):
    """Samples at the input's size, as arrays hold them, but decoded when asked for: to look at a few of them.

    Args:
        job: the samples, and how each is decoded.
        columns: key of a sample -> key that the reader gives; all, unrenamed, where empty.
        check: as `Task.check`.
    """

    job: Job
    columns: Mapping[str, str]
    check: Check

    def fingerprint(self) -> str:
        """Of names, extras, names and sizes of files."""
        return fingerprint(self.job.samples)

    def __len__(self) -> int:
        return len(self.job.samples)

    def __getitem__(self, index: int) -> Row:
        """One sample, decoded and checked.

        Raises:
            DataError: its file is missing or wrong; names it.
        """
        row = self.job.row(index)
        for _, wrong in self.check({key: value[None] for key, value in row.items()}, 0):
            raise DataError(f"{self.job.samples[index].where}: {wrong}")
        return {key: row[name] for key, name in (self.columns or dict(zip(row, row, strict=True))).items()}

    def take(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Several samples, {"image": uint8 (B, 3, H, W), ...}."""
        import torch

        rows = [self[index] for index in indices]
        return {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}


def fingerprint(samples: Sequence[Sample]) -> str:
    """16 hex digits of what the samples are: names, extras, names and sizes of their files; no content is read.

    Raises:
        DataError: a file is missing; names it.
    """
    return hashed(hashlib.blake2b(digest_size=8), many(samples).told(with_times=False))
