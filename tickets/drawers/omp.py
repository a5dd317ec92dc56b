"""Drawer: train dense, prune once by global magnitude (one-shot magnitude pruning)."""

from dataclasses import dataclass

from tickets.drawer import Drawer


@dataclass(frozen=True)
class OneShotMagnitude(Drawer):
    """Keep the weights of largest |w| after the whole training; none of the budget is left for recovery."""
