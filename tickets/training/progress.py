"""What a training tells while it runs; imports no torch, so that any process can listen."""

from dataclasses import dataclass


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
