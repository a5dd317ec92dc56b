"""Drawer: SuperTickets, search and pruning in one training (arXiv 2207.03677).

Two events alternate: a shrink cuts hidden units whose BN scale was driven to zero by a MACs-aware L1
penalty, and a prune chooses the global magnitude mask anew at a sparsity that rises by a tenth. Pruned
weights are set to zero and grow anew until the next prune.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from tickets.cost import layer_costs
from tickets.drawers.base import Drawer, Request, Round, last_prune
from tickets.errors import UserError
from tickets.patterns import PATTERNS
from tickets.pruning.masks import Masks
from tickets.pruning.schedules import ramp, staircase
from tickets.search.costs import Penalty, penalties, total_unit_macs, unit_costs
from tickets.search.searchable import search_blocks
from tickets.search.surgery import in_multiples, live_units_mask, shrink, within_macs
from tickets.source import head_of
from tickets.stated import ELSEWHERE, LATER
from tickets.training.events import Event, at
from tickets.training.loop import Training
from tickets.training.method import Pass
from tickets.training.network import Network
from tickets.traits import Traits


@dataclass(frozen=True)
class SuperTickets(Drawer):
    """Joint architecture search and progressive pruning with iterative reactivation.

    docs/supertickets.md tells where the released code differs; `supertickets/as_released` follows it. Under a pattern
    of groups of m weights the search leaves a multiple of m units in every branch, so that groups divide every layer.

    Args:
        search: whether units are penalised and cut; without, the whole host is pruned.
        prune: whether weights are pruned; without, the searched network is the ticket.
        progressive: whether sparsity rises by a tenth per pruning; else one pruning at the end.
        after_prune: "reset" the masks to ones, so that pruned weights, now zero, grow anew until the next
            pruning (the last one always keeps); or "keep" the masks. Kept masks under `semantics`
            "projection" are nested; under "reparam" a masked weight keeps a stale value and may be chosen
            again.
        on_shrink: "keep" slices the masks with the weights; "reset" sets the masks of rebuilt
            blocks to ones, as the released code does unless told otherwise.
        interval: fraction of training between prunings (1/14: ImageNet 25 of 350, COCO 15 of 210 epochs).
        last: no pruning or shrink after this fraction of training; the rest recovers.
        shrink_interval: fraction of training between shrinks.
        threshold: a unit with |gamma| at or below it is dead.
        least_cut: a shrink waits until the dead units hold this share of all units' MACs
            (released: 1e6 MACs of 5.9e9).
        least_macs: the same in MACs of an image, which then rule instead; 0 for the share.
        trigger: which units a shrink counts to find whether it waits: those "dead", which it would cut, or those whose
            averaged |gamma| is at or below the threshold, "averaged", as the released code does.
        average_from: the number that the first update of the average has in its warm-up rule, where the settings' is
            smaller (released: 1).
        macs_target: share of the units' MACs that shall stay, in (0, 1]; the bound falls linearly to it, and
            a shrink also cuts the units of smallest |gamma| above it. 1 for no target.
        penalty_stays: whether the L1 penalty goes on in later trainings of the ticket.
        rho: weight of the L1 penalty, at least 0; a scale sets it.
    """

    search: bool = True
    prune: bool = True
    progressive: bool = True
    after_prune: Literal["keep", "reset"] = "reset"
    on_shrink: Literal["keep", "reset"] = "keep"
    interval: float = 1 / 14
    last: float = 13 / 14
    shrink_interval: float = 1 / 28
    threshold: float = 1e-3
    least_cut: float = 1.7e-4
    macs_target: float = 1.0
    penalty_stays: bool = False
    rho: float = field(default=0.0, metadata=ELSEWHERE)
    least_macs: int = field(default=0, metadata=LATER)
    trigger: Literal["dead", "averaged"] = field(default="dead", metadata=LATER)
    average_from: int = field(default=0, metadata=LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("interval", "last", "shrink_interval", "macs_target"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}; give a fraction above 0 and at most 1")
        for name in ("least_macs", "average_from"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} is {getattr(self, name)}; give a whole number of at least 0")
        if self.rho < 0:
            raise UserError(f"rho is {self.rho}; give a weight of at least 0")
        if not (self.search or self.prune):
            raise UserError("search and prune are both off; use the drawer 'dense'")

    @property
    def traits(self) -> Traits:
        """Searching needs the supernet."""
        return Traits(searches=self.search, prunes=self.prune)

    def events(self, steps: int, sparsity: float) -> Sequence[Event]:
        """Shrinks every `shrink_interval`, prunings every `interval`, a shrink first where they meet.

        After the last pruning, at about `last` of training, the architecture and the masks stay.
        """
        prunes = staircase(steps, sparsity, self.interval, last=self.last)
        last, final_sparsity = prunes[-1]
        found: list[Event] = []
        if self.search:
            found += [Event(step, "shrink") for step in self._shrink_steps(steps) if step < last]
        for step, level in prunes[:-1] if self.prune and self.progressive else ():
            found.append(Event(step, "prune", {"sparsity": level}))
            if self.after_prune == "reset":
                found.append(Event(step, "reset"))
        found.sort(key=lambda event: event.step)  # stable: a shrink stays before the prune of its step
        if self.search:
            found.append(Event(last, "shrink", {"final": True}))
        return (*found, *(last_prune(last, final_sparsity) if self.prune else ()))

    def _shrink_steps(self, steps: int) -> list[int]:
        return sorted({at(j * self.shrink_interval, steps) for j in range(1, int(1 / self.shrink_interval))})

    @property
    def lasting_rho(self) -> float:
        """The penalty of the drawing, where it stays."""
        return self.rho if self.penalty_stays else 0.0

    def begin(self, request: Request, this: Round, before: Training | None) -> Training:
        """With the units' penalty factors, which are those of the full network throughout."""
        training = super().begin(request, this, before)
        training.ema.updates = max(training.ema.updates, self.average_from)
        if self.search:
            with torch.device("meta"):
                host = request.spec.build()
                full = Network(host, head_of(request.source, host))
            costs = unit_costs(full, layer_costs(full, request.source.size))
            training.aside["penalties"] = penalties(full, costs)
        return training

    def loss(self, training: Training, seen: Pass) -> Tensor:
        """+ rho(t) x sum over units of (unit cost / mean unit cost) x |gamma|; rho ramps up over 1/14."""
        loss = super().loss(training, seen)
        if not self.search:
            return loss
        rho = self.rho * ramp(training.clock, training.settings.steps)
        penalty = training.kept("penalty", lambda: Penalty(training.network, training.aside["penalties"]))
        return loss + rho * penalty()

    def do_shrink(self, training: Training, final: bool = False) -> None:
        """Cut units whose importance vanished.

        Args:
            training: whose network.
            final: whether the average alone decides and nothing is too small to cut.
        """
        network, ema = training.network, training.ema
        live = live_units_mask(network, ema, self.threshold, by_average=final)
        if self.macs_target < 1:
            live = within_macs(network, ema, live, unit_costs(network, training.layers), self._bound(training))
        live = in_multiples(network, ema, live, PATTERNS.make(self.pattern).multiple)
        if not final and self._waits(training, live):
            return
        if shrink(network, ema, training.optimizer, live):
            if self.on_shrink == "reset":
                network.masks = _reset_blocks(network)
            training.masks_changed()

    def _waits(self, training: Training, live: Mapping[str, Tensor]) -> bool:
        """Whether too little is dead for a shrink."""
        if self.trigger == "averaged":
            live = live_units_mask(training.network, training.ema, self.threshold, by_average=True)
        total = total_unit_macs(training.network, training.layers)
        stays = total_unit_macs(training.network, training.layers, live)
        if self.least_macs:
            return total - stays < self.least_macs
        return (1 - stays / total if total else 0.0) < self.least_cut

    def _bound(self, training: Training) -> float:
        """MACs that the units may have at this step; of the full network's, those at the first shrink, remembered."""
        full: float = training.memory.setdefault("unit_macs", total_unit_macs(training.network, training.layers))
        reached = training.due / at(self.last, training.settings.steps)
        share = 1 - (1 - self.macs_target) * min(1.0, reached)
        return share * full


@dataclass(frozen=True)
class AsReleased(SuperTickets):
    """`supertickets/as_released`: its options are those of its row; version 1 triggered and averaged as intended."""

    version: ClassVar[int] = 2


def _reset_blocks(network: Network) -> Masks:
    """The masks with those of all that a shrink may slice set to ones."""
    rebuilt = {
        f"{name}.{tensor}"
        for name, block in search_blocks(network).items()
        if block.units
        for tensor in block.cuts(torch.ones_like(block.gamma, dtype=torch.bool))
    }
    return {name: torch.ones_like(mask) if name in rebuilt else mask for name, mask in network.masks.items()}
