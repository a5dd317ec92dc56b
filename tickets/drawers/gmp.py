"""Drawer: gradual magnitude pruning (Zhu & Gupta, arXiv 1710.01878)."""

from __future__ import annotations

from dataclasses import dataclass

from tickets.drawers.base import Drawer, last_prune
from tickets.errors import UserError
from tickets.pruning.schedules import cubic
from tickets.training.events import Event


@dataclass(frozen=True)
class GradualMagnitude(Drawer):
    """Prune by magnitude in many small steps while training, fast at first; then recover.

    Args:
        start: fraction of training at which pruning begins.
        stop: fraction at which the sparsity is reached, after `start`; the rest recovers.
        interval: fraction of training between prunings.
    """

    start: float = 0.2
    stop: float = 0.8
    interval: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.start < self.stop <= 1 or not 0 < self.interval <= 1:
            raise UserError(
                f"start {self.start}, stop {self.stop} and interval {self.interval} are fractions of training with "
                "0 <= start < stop <= 1 and 0 < interval <= 1"
            )

    def events(self, steps: int, sparsity: float) -> tuple[Event, ...]:
        """A pruning every `interval`, along the cubic schedule."""
        *early, (last, final) = cubic(steps, sparsity, self.start, self.stop, self.interval)
        return (*(Event(step, "prune", {"sparsity": level}) for step, level in early), *last_prune(last, final))
