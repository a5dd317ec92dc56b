"""Drawers of sets whose members are trained apart from each other, and `dense/ensemble`, the deep ensemble.

B. Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles
(arXiv 1612.01474): networks that differ in their seed alone predict by the mean of their probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tickets.drawers.base import Drawer, Request, Round
from tickets.drawers.dense import Dense
from tickets.errors import UserError
from tickets.ticket import Ticket
from tickets.ticket_set import LEAST, TicketSet, member_seed
from tickets.training.checkpoint import turns
from tickets.training.progress import part
from tickets.training.spent import Spent
from tickets.traits import Traits


@dataclass(frozen=True)
class Members(Drawer):
    """What draws a set, whatever way its members come about.

    Args:
        members: tickets of the set M, at least 2.
    """

    members: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.members < LEAST:
            raise UserError(f"members is {self.members}; a set needs at least {LEAST}, for one network {self.instead}")

    @property
    def instead(self) -> str:
        """What to do who wants a single network, for messages."""
        return "use a drawer of single tickets"

    @property
    def traits(self) -> Traits:
        """It draws sets."""
        return replace(super().traits, draws_sets=True)

    @property
    def count(self) -> int:
        """The members."""
        return self.members

    def whole(self, request: Request, tickets: list[Ticket], spent: Spent) -> TicketSet:
        """The set of some members, which tells of the request what they all tell.

        Args:
            request: what was asked for.
            tickets: the members in their order.
            spent: on all of them; what they share once.
        """
        told = {"settings": request.settings.to_json(), "scores": {}, "spent": spent.to_json()}
        return TicketSet(tuple(tickets), {**tickets[0].provenance, **told})


@dataclass(frozen=True)
class Independent(Members):
    """M trainings, each of a seed of its own (`tickets.ticket_set.member_seed`): of first weights, head, data order and
    whatever else the method draws. The first is what a single draw of as many steps is at the job's seed.

    Args:
        share: length of a training as a fraction of the request's steps, above 0; 0 for equal budgets, 1/M.
    """

    share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.share < 0:
            raise UserError(f"share is {self.share}; give a fraction of the steps above 0, or 0 for equal budgets")

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """A member's, one of the length that `share` says."""
        length = max(1, round(steps * (self.share or 1 / self.members)))
        return [Round(length, events=self.events(length, sparsity))]

    def steps(self, steps: int, sparsity: float) -> int:
        """Those of all members."""
        return self.members * super().steps(steps, sparsity)

    def check_events(self, steps: int, sparsity: float) -> None:
        """As every drawer's, of a member's training.

        Raises:
            UserError: there are fewer steps than members, too.
        """
        if not self.share and steps < self.members:
            raise UserError(
                f"members is {self.members} and the draw has {steps} steps: less than a step each is no training; give "
                "more steps or fewer members."
            )
        super().check_events(steps, sparsity)

    def draw(self, request: Request) -> TicketSet:
        """Train the members one after the other.

        Raises:
            UserError: as every drawer's.
        """
        self.traits.require(request.given, type(self).__name__)
        trained = list(self._trained(request))
        return self.whole(request, [ticket for ticket, _ in trained], sum((spent for _, spent in trained), Spent()))

    def _trained(self, request: Request) -> Iterator[tuple[Ticket, Spent]]:
        """Each member, and what was spent on it."""
        for number, checkpoint in enumerate(turns(request.checkpoint, self.members)):
            own = replace(
                request,
                source=request.source.member(number),
                seed=member_seed(request.seed, number),
                checkpoint=checkpoint,
                report=part(request.report, number, self.members),
            )
            training = self.train(own)
            if checkpoint is not None:
                checkpoint.save(training.state_dict())
            yield self.ticket(own, training), training.spent


@dataclass(frozen=True)
class DenseEnsemble(Independent, Dense):
    """M dense trainings: what an ensemble of sparse tickets is measured by, at as many training steps together."""

    @property
    def instead(self) -> str:
        """The single network."""
        return "use dense"
