"""A few samples of a task, read from their files now: to look at, without preparing the whole data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import default_collate

from tasks.arrays import Job, Sample, decoded
from tasks.base import Task
from tickets.errors import DataError
from tickets.seeding import generator, libraries_seeded


@dataclass(frozen=True)
class Glimpse:
    """One sample as the network is given it.

    Args:
        sample: where it comes from.
        batch: of this sample alone, so that samples may differ in size.
    """

    sample: Sample
    batch: Mapping[str, Tensor]


def glimpse(task: Task, split: str, count: int, seed: int = 0, augmented: bool = False) -> list[Glimpse]:
    """Samples of a split drawn at random without repetition, the same ones for the same seed.

    Args:
        task: whose samples they are; its cache is neither read nor written.
        split: "train", "val" or "test".
        count: how many; all where the split holds fewer.
        seed: of the choice and of the augmentation.
        augmented: as in training; else as they are scored.

    Raises:
        UserError: another split.
        DataError: a file is missing or wrong; names it.
    """
    samples = task.members(split)
    chosen = torch.randperm(len(samples), generator=generator(seed, "glimpse", split))[:count].tolist()
    read = _read_whole if task.pipeline == "full" else _read_resized
    places = {index: (seed, "glimpse", index) for index in chosen}
    return [Glimpse(samples[i], read(task, samples[i], place, augmented)) for i, place in places.items()]


def _read_resized(task: Task, sample: Sample, place: tuple, augmented: bool) -> dict[str, Tensor]:
    arrays = {key: value[None] for key, value in Job([sample], task.read, task.size).row(0).items()}
    for _, wrong in task.check(arrays, 0):
        raise DataError(f"{sample.where}: {wrong}")
    columns = task.columns or {key: key for key in arrays}
    raw = {key: torch.tensor(arrays[name]) for key, name in columns.items()}
    return task.batch(raw, generator(*place) if augmented else None)


def _read_whole(task: Task, sample: Sample, place: tuple, augmented: bool) -> dict[str, Tensor]:
    row = decoded(sample, task.load)
    with libraries_seeded(*place):
        return default_collate([task.view(row, training=augmented)])
