"""Drawer: train the whole host and remove nothing; with `finetune` it is the dense reference."""

from __future__ import annotations

from dataclasses import dataclass

from tickets.drawers.base import Drawer
from tickets.training.events import Event
from tickets.traits import Traits


@dataclass(frozen=True)
class Dense(Drawer):
    """The host itself as a ticket of sparsity 0, whatever sparsity is asked for."""

    @property
    def traits(self) -> Traits:
        """It removes nothing."""
        return Traits(prunes=False)

    def events(self, steps: int, sparsity: float) -> tuple[Event, ...]:
        """Nothing happens during the training."""
        return ()
