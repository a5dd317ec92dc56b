"""Drawer: the early-bird ticket, a mask that stops to change early in training (arXiv 1909.11957; 2207.01382)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from tickets.drawers.base import AFTER, BEFORE, Drawer, Request, Round, rewound
from tickets.errors import UserError
from tickets.pruning.masks import Masks
from tickets.ticket import Ticket
from tickets.training.events import Event, at
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.traits import Traits


@dataclass(frozen=True)
class EarlyBird(Drawer):
    """Train dense until the mask at the final sparsity has settled, then the first weights under that mask.

    Every so often the mask is chosen by magnitude and not put in force, from before the first step on. Of the last
    few, as many as `patience` says, the newest is held against each older one by the share of weights that only one of
    them keeps (You et al., arXiv 1909.11957, section 3; Y. Kim et al., arXiv 2207.01382, section 3.4). Where the
    largest such share is below the tolerance the search ends, and what is left of the budget trains the ticket. A
    search that does not settle is ended by its last mask, and the ticket tells so: `search.settled`. Published is a
    full training behind the search, whose length is not bounded.

    Args:
        every: fraction of the steps between masks, above 0; at least one step.
        patience: masks that are compared, at least 2.
        tolerance: the share, above 0 and below 1.
        longest: fraction of the steps that the search may take, above 0 and below 1.
        rate: its learning rate, constant, as a factor on the peak.
    """

    every: float = 0.01
    patience: int = 5
    tolerance: float = 0.02
    longest: float = 0.5
    rate: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.tolerance < 1:
            raise UserError(
                f"tolerance is {self.tolerance:g}; no two masks of a training network are equal for ever, give a share "
                "above 0 and below 1"
            )
        if self.patience < 2:
            raise UserError(f"patience is {self.patience}; a mask is held against older ones, give at least 2")
        if not 0 < self.every <= 1 or not 0 < self.longest < 1:
            raise UserError(
                f"every is {self.every:g} and longest {self.longest:g}; they are shares of the draw's steps, above 0, "
                "and longest is below 1"
            )
        if self.rate <= 0:
            raise UserError(f"rate is {self.rate:g}; it is a factor on the peak learning rate, give one above 0")

    @property
    def traits(self) -> Traits:
        """Its tickets keep their first weights."""
        return Traits(rewinds=True)

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """The search at its longest, and the training of what it finds; `as_found` makes that longer."""
        longest = min(at(self.longest, steps), max(1, steps - 1))
        looks = [*range(0, longest, at(self.every, steps)), longest]
        told = [{"sparsity": sparsity, "is_last": step == longest} for step in looks]
        events = [Event(0, "save"), *(Event(step, "look", to) for step, to in zip(looks, told, strict=True))]
        search = Round(longest, events=events, rate=self.rate, schedule="constant")
        return [search, Round(max(1, steps - longest))]

    def as_found(self, planned: Round, memory: Mapping[str, Any]) -> Round:
        """The ticket's training, longer by what the search did not need."""
        unused = memory["search"]["unused"] if "search" in memory else 0
        return replace(planned, steps=planned.steps + unused)

    def network(self, request: Request, before: Training | None) -> Network:
        """The first weights, under the mask that was found."""
        return rewound(super().network(request, None), before)

    def do_look(self, training: Training, sparsity: float, is_last: bool) -> None:
        """Choose the mask of now, and end the search where it has settled, or is at its end."""
        masks = self.choose(training, sparsity)
        older = training.memory.get("looks", [])[-(self.patience - 1) :]
        farthest = max((distance(masks, one) for one in older), default=1.0)
        settled = len(older) == self.patience - 1 and farthest < self.tolerance
        training.memory["looks"] = [*older, masks]
        if not settled and not is_last:
            return
        del training.memory["looks"]
        unused = int(training.settings.steps - training.clock)
        training.memory["search"] = {"settled": settled, "distance": farthest, "unused": unused}
        self.do_evaluate(training, BEFORE)
        training.set_masks(masks)
        self.do_evaluate(training, AFTER)
        training.stop()

    def ticket(self, request: Request, training: Training) -> Ticket:
        """What was trained under the mask; its provenance tells how the search ended."""
        ticket = super().ticket(request, training)
        return replace(ticket, provenance={**ticket.provenance, "search": training.memory["search"]})


def distance(one: Masks, other: Mapping[str, Tensor]) -> float:
    """The share of weights that one of two masks keeps and the other does not.

    Example:
        >>> import torch
        >>> distance({"w": torch.tensor([True, True, False, False])}, {"w": torch.tensor([True, False, True, False])})
        0.5
    """
    differ = sum(int((mask ^ other[name]).sum()) for name, mask in one.items())
    return differ / sum(mask.numel() for mask in one.values())
