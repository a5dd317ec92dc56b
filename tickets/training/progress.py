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


def part(told: Callable[[Progress], None] | None, number: int, count: int) -> Callable[[Progress], None] | None:
    """Reports of one training among several, as those of all of them together, in as many steps.

    Args:
        told: of the whole; None for nobody.
        number: of this training, from 0.
        count: of all trainings, of equal length.
    """
    if told is None or count == 1:
        return told

    def report(progress: Progress) -> None:
        done = (number + progress.step / progress.steps) / count
        told(replace(progress, step=round(done * progress.steps)))

    return report
