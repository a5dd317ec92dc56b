"""Drawer: AC/DC, alternating compressed and decompressed training (Peste et al., arXiv 2106.12379)."""

from __future__ import annotations

from dataclasses import dataclass

from tickets.drawers.base import Drawer, last_prune
from tickets.errors import UserError
from tickets.training.events import Event, at
from tickets.training.loop import Training

MOMENTA = ("exp_avg", "momentum_buffer")
"""What optimisers call the running mean of the gradient."""


@dataclass(frozen=True)
class AlternatingCompression(Drawer):
    """Train dense, then sparse and dense by turns, and sparse to the end, in one training.

    Every sparse phase chooses its mask anew, by magnitude (iterative hard thresholding). In a dense phase removed
    weights come back at zero, and all momenta start at zero. The defaults are the released schedule for ImageNet, 100
    epochs; that for CIFAR-100 is warm_up=0.05, phase=0.1.

    Args:
        warm_up: fraction of training that is dense at first.
        phase: fraction that a phase takes.
        stop: no sparse phase but the last goes on after this fraction; what follows is dense.
        last: fraction at which the last sparse phase begins.
    """

    warm_up: float = 0.1
    phase: float = 0.05
    stop: float = 0.75
    last: float = 0.85

    def __post_init__(self) -> None:
        super().__post_init__()
        first = self.warm_up + self.phase
        if self.warm_up < 0 or self.phase <= 0 or not first <= self.stop <= self.last <= 1:
            raise UserError(
                f"warm_up {self.warm_up}, phase {self.phase}, stop {self.stop} and last {self.last} are fractions of "
                "training with 0 <= warm_up, 0 < phase and warm_up + phase <= stop <= last <= 1"
            )

    def events(self, steps: int, sparsity: float) -> tuple[Event, ...]:
        """A pruning at the start of every sparse phase, a reset at its end, and the last pruning."""
        count = int(((self.stop - self.warm_up) / self.phase + 1) / 2 + 1e-9)
        found: list[Event] = []
        for start in (self.warm_up + 2 * turn * self.phase for turn in range(count)):
            found.append(Event(at(start, steps), "prune", {"sparsity": sparsity}))
            found.append(Event(at(start + self.phase, steps), "reset"))
        return (*found, *last_prune(at(self.last, steps), sparsity))

    def do_reset(self, training: Training) -> None:
        """Let all weights back in; momenta start anew."""
        super().do_reset(training)
        for state in training.optimizer.state.values():
            for name in MOMENTA:
                if name in state:
                    state[name].zero_()
