"""Drawers: ensembles of sparse networks that are sparse while they are trained (FreeTickets).

S. Liu et al., Deep Ensembling with No Overhead for either Training or Testing: The All-Round Blessings of Dynamic
Sparsity (arXiv 2106.14568): DST trains the members apart, EDST takes them from one training. Both predict by the mean
of the members' probabilities.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tickets.drawers.base import Request, Round
from tickets.drawers.dynamic import Dynamic
from tickets.drawers.ensemble import Independent, Members
from tickets.errors import UserError
from tickets.pruning.allocation import Allocation
from tickets.pruning.schedules import exchanges
from tickets.ticket import Ticket, copied
from tickets.ticket_set import TicketSet
from tickets.training.ema import Ema
from tickets.training.events import Event
from tickets.training.loop import Training
from tickets.training.spent import Spent

REFINED = (0.1, 0.01)
"""The learning rate of each half of a phase, as a factor on that of the exploration."""


@dataclass(frozen=True)
class DST(Independent, Dynamic):
    """M dynamic sparse trainings that share nothing but the method; with `grow=none` the static ensemble."""

    allocation: Allocation = "erk"  # that of Dynamic, which a mixin of Drawer's would hide

    @property
    def instead(self) -> str:
        """The single network."""
        return "use rigl"


@dataclass(frozen=True)
class EDST(Members, Dynamic):
    """One dynamic sparse training: an exploration, then M phases of equal length, each of which leaves a member.

    The exploration keeps the full learning rate; each phase has a tenth of it in its first half and a hundredth in its
    second. A phase after the first begins with an escape: one exchange of a large share q of every layer's weights.
    Exchanges within the exploration and within a phase are those of a training of that length. The average that a
    member is scored by begins with its phase; the optimiser's state and the order of the data go on from one phase to
    the next, as in the released code (FT-11). A member is the network at its phase's end, where the released code takes
    the one that is best on val.

    Args:
        explore: exploration as a fraction of the training, in (0, 1).
        escape: q, in [0, 1].
    """

    allocation: Allocation = "erk"  # as above
    explore: float = 1 / 3
    escape: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.explore < 1:
            raise UserError(f"explore is {self.explore}; give a fraction of the training above 0 and below 1")
        if not 0 <= self.escape <= 1:
            raise UserError(f"escape is {self.escape}; give a share of the kept weights, from 0 to 1")

    @property
    def instead(self) -> str:
        """The single network."""
        return "use rigl"

    def check_events(self, steps: int, sparsity: float) -> None:
        """As every drawer's.

        Raises:
            UserError: there are too few steps for the phases, too.
        """
        phase = int(self._length(steps) * (1 - self.explore) / self.members)
        if phase < 1:
            raise UserError(
                f"members is {self.members} and the draw has {self._length(steps)} steps: a phase of {phase} steps is "
                "no training; give more steps or fewer members."
            )
        super().check_events(steps, sparsity)

    def _length(self, steps: int) -> int:
        """Steps of the training."""
        (this,) = self.trainings(steps, 0.0)
        return this.steps

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """One, whose learning rate events set."""
        return [replace(this, schedule="constant") for this in super().trainings(steps, sparsity)]

    def bounds(self, steps: int) -> list[int]:
        """Where the exploration begins, where each phase does, and the end."""
        ends = (self.explore + (1 - self.explore) * number / self.members for number in range(self.members + 1))
        return [0, *(round(end * steps) for end in ends)]

    def events(self, steps: int, sparsity: float) -> Sequence[Event]:
        """The masks, the exploration's exchanges, then the phases, one after the other."""
        found = [Event(0, "prune", {"sparsity": sparsity})]
        for number, (start, end) in enumerate(pairwise(self.bounds(steps))):
            found += self._phase(number, steps, start, end) if number else self._exchanges(steps, start, end)
        rewires = sparsity > 0 and self.grow != "none"
        return [event for event in found if rewires or event.do != "rewire"]

    def _exchanges(self, steps: int, start: int, end: int) -> list[Event]:
        """Those of the part of a training of so many steps that lies between two of them."""
        if start == end:
            return []
        every = self.every * steps / (end - start)
        found = exchanges(end - start, every, self.fraction, self.stop, self.law)
        return [Event(start + step, "rewire", {"fraction": share}) for step, share in found]

    def _phase(self, number: int, steps: int, start: int, end: int) -> list[Event]:
        """All that happens in a phase, which are counted from 1, of a training of so many steps."""
        escape = [Event(start, "rewire", {"fraction": self.escape})] if number > 1 and self.escape else []
        fall = Event((start + end) // 2, "rate", {"factor": REFINED[1]})
        during = sorted([*self._exchanges(steps, start, end), fall], key=lambda event: event.step)
        return [*escape, Event(start, "refine", {"factor": REFINED[0]}), *during, Event(end, "member")]

    def do_rate(self, training: Training, factor: float) -> None:
        """Set the learning rate to a factor on its peak."""
        for group, peak in zip(training.optimizer.param_groups, training.schedule.peaks, strict=True):
            group["lr"] = peak * factor

    def do_refine(self, training: Training, factor: float) -> None:
        """Begin a phase: its learning rate, and an average of its own."""
        training.ema = Ema(training.network, training.ema.decay)
        self.do_rate(training, factor)

    def do_member(self, training: Training) -> None:
        """Keep the network as it is, averaged too, and what was spent up to here."""
        averaged = training.averaged()
        kept = {
            "network": copied(training.network),
            "averaged": copied(averaged),
            "masks": {name: mask.cpu().clone() for name, mask in training.network.masks.items()},
            "scores": dict(training.scores),
            "spent": dict(vars(training.spent)),
        }
        training.memory.setdefault("members", []).append(kept)

    def draw(self, request: Request) -> TicketSet:
        """Train once; what is spent on the exploration, and on a phase by those after it, counts once for the set.

        Raises:
            UserError: as every drawer's.
        """
        self.traits.require(request.given, type(self).__name__)
        training = self.train(request)
        spent = training.spent
        return self.whole(request, list(self._kept(request, training)), spent)

    def _kept(self, request: Request, training: Training) -> Iterator[Ticket]:
        """The tickets of the members, the first of them first."""
        for kept in training.memory["members"]:
            training.network.load_state_dict(kept["network"])
            training.set_masks({name: mask.to(request.source.device) for name, mask in kept["masks"].items()})
            if self.rule == "released":  # which may have lost weights
                self.do_prune(training, self.target(request.sparsity))
            averaged = copy.deepcopy(training.network)
            averaged.load_state_dict(kept["averaged"])
            training.scores, training.spent = dict(kept["scores"]), Spent(**kept["spent"])
            yield self.packed(request, training, averaged)
