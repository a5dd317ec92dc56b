"""Drawer: iterative magnitude pruning with rewinding (Frankle et al., arXiv 1803.03635 and 1912.05671)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from tickets.drawers.base import Drawer, Request, Round, closing_prunes, rewound
from tickets.errors import UserError
from tickets.pruning.schedules import geometric
from tickets.source import Source
from tickets.training.events import Event
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.traits import Traits


@dataclass(frozen=True)
class IterativeMagnitude(Drawer):
    """Train, prune the smallest live weights, rewind the others to step k, and again; then train the ticket.

    Masks are nested. With R prunings there are R + 1 trainings of equal length, each after the first from
    step k on, together as long as any other drawer's one; R small enough that each is a training worth the
    name. Learning rate and data order go on from step k as they did at first.

    Args:
        rounds: prunings R, at least 1; each removes the same share of what is left.
        rate: that share, in (0, 1), which then sets R (open_lth: 0.2); 0 for none.
        rewind: k as a fraction of a training, in [0, 1).
        share: length of a training as a fraction of the request's steps, above 0; 0 for equal budgets.
    """

    rounds: int = 2
    rate: float = 0.0
    rewind: float = 0.05
    share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds < 1:
            raise UserError(f"rounds is {self.rounds}; give a whole number of at least 1")
        if not 0 <= self.rate < 1:
            raise UserError(f"rate is {self.rate}; it is the share of the live weights that a round removes, in (0, 1)")
        if not 0 <= self.rewind < 1:
            raise UserError(
                f"rewind is {self.rewind}; the rewind point is a fraction of a round's training, at least 0 and below 1"
            )
        if self.share < 0:
            raise UserError(f"share is {self.share}; give a fraction of the steps above 0, or 0 for equal budgets")

    @property
    def traits(self) -> Traits:
        """Its tickets keep the weights of step k."""
        return Traits(rewinds=True)

    def prunings(self, sparsity: float) -> int:
        """R, the number of prunings up to a sparsity."""
        if not self.rate or not sparsity:
            return self.rounds
        return max(1, math.ceil(math.log(1 - sparsity) / math.log(1 - self.rate) - 1e-9))

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """The trainings, in order."""
        count = self.prunings(sparsity)
        length = max(1, round(steps * (self.share or 1 / (1 + count * (1 - self.rewind)))))
        k = min(round(self.rewind * length), length - 1)
        prunes = closing_prunes(length, geometric(sparsity, count))
        first = Round(length, 0, (Event(k, "save"), *prunes[0]))
        return [first, *(Round(length, k, events) for events in (*prunes[1:], ()))]

    def scores(self, network: Network, source: Source) -> dict[str, Tensor]:
        """|w| of the live weights; removed ones rank below all."""
        found = super().scores(network, source)
        return {name: s.masked_fill(~network.masks[name], -1) if network.masks else s for name, s in found.items()}

    def network(self, request: Request, before: Training | None) -> Network:
        """The network at its rewind point, under the masks that the round before left."""
        return rewound(super().network(request, None), before)
