"""Drawer: a host as the weights of a file left it, an initial ticket of sparsity 0 on which nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tickets.drawers.base import Drawer, Request, Round
from tickets.hosts.base import HostSpec
from tickets.ticket import Ticket
from tickets.ticket_set import TicketSet
from tickets.traits import Traits
from tickets.weights import settled


@dataclass(frozen=True)
class Pretrained(Drawer):
    """The pre-trained host whole: what `finetune` starts from where a backbone is transferred without pruning.

    Other drawers begin with the same weights where the host's name says so, as in
    `timm/tf_efficientnet_lite0@weights=lite0`, and `omp@base=pretrained` prunes them untouched. The head has its first
    weights, so that the score on the source is one of chance. What it cost to train the weights is not known here and
    not counted; the averaged weights' batch norms are recalibrated on the source, which is.

    Args:
        weights: as the host's option of that name; empty for those that the host's name says.
    """

    weights: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weights", settled(self.weights))

    @property
    def traits(self) -> Traits:
        """It removes nothing, and needs a host with weights unless it is told which."""
        return Traits(prunes=False, needs_weights=not self.weights)

    def check(self, spec: HostSpec, sparsity: float) -> None:
        """The host has weights of a file, which fit.

        Raises:
            UserError: it has none, or they do not fit.
        """
        super().check(spec, sparsity)
        self.host(spec).check()

    def host(self, spec: HostSpec) -> HostSpec:
        """The host with its weights."""
        return spec.weighted(self.weights)

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """One of no steps."""
        return [Round(steps, steps)]

    def draw(self, request: Request) -> Ticket | TicketSet:
        """The host with its weights, as a ticket.

        Raises:
            UserError: as `check`.
        """
        return super().draw(replace(request, spec=self.host(request.spec)))
