"""A few samples of a task, read from their files now: to look at, without preparing the whole data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.base import Task
from tasks.data.samples import Sample
from tasks.data.split import Draw
from tickets.seeding import generator


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
    samples, data = task.members(split), task.fresh(split)
    chosen = torch.randperm(len(samples), generator=generator(seed, "glimpse", split))[:count].tolist()
    draws: list[Draw | None] = [Draw(place, [place]) for place in ((seed, "glimpse", index) for index in chosen)]
    return [
        Glimpse(samples[index], data.batch(task, [index], draw if augmented else None))
        for index, draw in zip(chosen, draws, strict=True)
    ]
