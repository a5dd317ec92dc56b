"""Drawer: train the whole supernet and remove nothing; with `finetune` it is the dense reference."""

from dataclasses import dataclass

from tickets.drawer import Drawer
from tickets.events import Event


@dataclass(frozen=True)
class Dense(Drawer):
    """The supernet itself as a ticket of sparsity 0, whatever sparsity is asked for."""

    def target(self, sparsity: float) -> float:
        """Always 0."""
        return 0.0

    def events(self, steps: int, sparsity: float) -> tuple[Event, ...]:
        """Nothing happens during the training."""
        return ()
