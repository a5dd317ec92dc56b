"""Drawer: iterative magnitude pruning that rewinds to trained weights (Chen et al., arXiv 2012.06908)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tickets.drawers.base import Request, Round, closing_prunes
from tickets.drawers.imp import IterativeMagnitude
from tickets.errors import UserError
from tickets.pruning.schedules import geometric
from tickets.training.events import Event
from tickets.training.loop import Training


@dataclass(frozen=True)
class PretrainedIterativeMagnitude(IterativeMagnitude):
    """Train dense on the source, then only look for a mask: prune, train on from those weights, prune again.

    The ticket is the last mask on the trained dense weights (m, theta_p); it is not trained after its last
    pruning, as in the paper. The first pruning acts on theta_p itself; R prunings have R - 1 trainings
    between them, which share what the dense training leaves of the budget.

    Args:
        pretrain: fraction of the steps that the dense training takes, in (0, 1).
    """

    pretrain: float = 0.5
    rewind: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.pretrain < 1:
            raise UserError(f"pretrain is {self.pretrain}; it is a fraction of the steps, above 0 and below 1")
        if self.rewind:
            raise UserError(f"rewind is {self.rewind}; imp_pretrained rewinds to the end of its dense training")

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """The dense training, then the trainings between prunings."""
        count = self.prunings(sparsity)
        dense = max(1, round(self.pretrain * steps)) if count > 1 else steps
        length = max(1, round(steps * self.share or (steps - dense) / (count - 1))) if count > 1 else steps
        levels = geometric(sparsity, count)
        lengths = [dense, *[length] * (count - 1)]
        events = [closing_prunes(n, levels)[j] for j, n in enumerate(lengths)]
        events[0] = (Event(dense, "save"), *events[0])
        return [Round(n, 0, e) for n, e in zip(lengths, events, strict=True)]

    def train(self, request: Request) -> Training:
        """The dense weights under the last mask."""
        last = super().train(request)
        return self.begin(request, Round(last.settings.steps), last)
