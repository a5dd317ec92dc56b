"""What a training tells while it runs; imports no torch, so that any process can listen."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Args:
        step: optimiser steps done.
        steps: all of them.
        loss: the source's loss on the last batch.
        metric: the latest val score, where one was taken.
        sparsity: removed share of the host's weights at present.
    """

    step: int
    steps: int
    loss: float
    metric: float | None
    sparsity: float


def part(
    told: Callable[[Progress], None] | None, number: int, count: int, steps: int | None = None
) -> Callable[[Progress], None] | None:
    """Reports of one training among several of equal length, as those of all of them together.

    Args:
        told: of the whole; None for nobody.
        number: of this training, from 0.
        count: of all trainings.
        steps: of the whole; None for those of one training.
    """
    if told is None or count == 1:
        return told

    def report(progress: Progress) -> None:
        whole = steps or progress.steps
        done = (number + progress.step / progress.steps) / count
        told(replace(progress, step=round(done * whole), steps=whole))

    return report
