"""Drawer: SuperTickets, search and pruning in one training (arXiv 2207.03677).

Two events alternate: a shrink cuts hidden units whose BN scale was driven to zero by a MACs-aware L1
penalty, and a prune chooses the global magnitude mask anew at a sparsity that rises by a tenth. Masked
weights keep their values and can return at the next prune.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from tickets.cost import layer_costs
from tickets.drawer import Drawer, Request, last_prune
from tickets.events import Action, Event, at
from tickets.masks import Masks, Semantics
from tickets.network import Network
from tickets.schedules import ramp, staircase
from tickets.search import l1_penalty, live_units_mask, penalties, per_unit, shrink, unit_costs
from tickets.supernet import Supernet, search_blocks
from tickets.training import Training


@dataclass(frozen=True)
class SuperTickets(Drawer):
    """Joint architecture search and progressive pruning.

    Args:
        after_prune: "keep" the masks between prunings, where masked weights drift and may be chosen
            again; or "reset" them to ones, so that the network trains dense until the next one
            (the last pruning always keeps).
        on_shrink: "keep" slices the masks with the weights; "reset" sets the masks of rebuilt
            blocks to ones, as the released code does unless told otherwise.
        interval: fraction of training between prunings (1/14: ImageNet 25 of 350, COCO 15 of 210 epochs).
        shrink_interval: fraction of training between shrinks.
        threshold: a unit with |gamma| at or below it is dead.
        least_cut: a shrink waits until the dead units hold this share of all units' MACs
            (released: 1e6 MACs of 5.9e9).
    """

    searches: ClassVar[bool] = True
    semantics: Semantics = Semantics.REPARAM
    after_prune: Literal["keep", "reset"] = "keep"
    on_shrink: Literal["keep", "reset"] = "keep"
    interval: float = 1 / 14
    shrink_interval: float = 1 / 28
    threshold: float = 1e-3
    least_cut: float = 1.7e-4

    def events(self, steps: int, sparsity: float) -> tuple[Event, ...]:
        """Shrinks every `shrink_interval`, prunings every `interval`, a shrink first where they meet.

        After the last pruning, at about 13/14 of training, the architecture and the masks stay.
        """
        prunes = staircase(steps, sparsity, self.interval)
        last, final_sparsity = prunes[-1]
        found: list[Event] = []
        for step in sorted(
            {at(j * self.shrink_interval, steps) for j in range(1, int(1 / self.shrink_interval))}
        ):
            if step < last:
                found.append(Event(step, Action.SHRINK))
        for step, level in prunes[:-1]:
            found.append(Event(step, Action.PRUNE, sparsity=level))
            if self.after_prune == "reset":
                found.append(Event(step, Action.RESET))
        found.sort(key=lambda event: event.step)  # stable: a shrink stays before the prune of its step
        return (*found, Event(last, Action.SHRINK, final=True), *last_prune(last, final_sparsity))

    def extra_loss(self, request: Request) -> Callable[[Training], Tensor]:
        """rho(t) x sum over units of (unit cost / mean unit cost) x |gamma|; rho ramps up over 1/14."""
        with torch.device("meta"):
            host = Supernet(request.spec)
            full = Network(host, request.source.head(host.features))
        factors = penalties(full, unit_costs(full, layer_costs(full, request.source.size)))
        settings = request.settings

        def penalty(training: Training) -> Tensor:
            return settings.rho * ramp(training.step, settings.steps) * l1_penalty(training.network, factors)

        return penalty

    def handle(self, training: Training, event: Event) -> None:
        """Shrink here; everything else as every drawer does."""
        if event.action is Action.SHRINK:
            self._shrink(training, event.final)
        else:
            super().handle(training, event)

    def _shrink(self, training: Training, final: bool) -> None:
        network, ema = training.network, training.ema
        live = live_units_mask(network, ema, self.threshold, by_average=final)
        if not final and _dead_share(training, live) < self.least_cut:
            return
        if shrink(network, ema, training.optimizer, live):
            if self.on_shrink == "reset":
                network.masks = _reset_blocks(network)
            training.masks_changed()


def _dead_share(training: Training, live: Mapping[str, Tensor]) -> float:
    """MACs of the units that are not live over the MACs of all units."""
    blocks = search_blocks(training.network)
    costs = {
        name: per_unit(blocks[name], kernels)
        for name, kernels in unit_costs(training.network, training.layers).items()
    }
    dead = sum(float(cost[~live[name]].sum()) for name, cost in costs.items())
    return dead / sum(float(cost.sum()) for cost in costs.values()) if costs else 0.0


def _reset_blocks(network: Network) -> Masks:
    """The masks with those of all search blocks set to ones, the skips' excepted (they are not rebuilt)."""
    blocks = tuple(f"{name}." for name in search_blocks(network))
    return {
        name: torch.ones_like(mask) if name.startswith(blocks) and ".skip." not in name else mask
        for name, mask in network.masks.items()
    }
