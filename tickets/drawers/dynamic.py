"""Drawer: dynamic sparse training, sparse from the first step on (SET, arXiv 1707.04780; RigL, arXiv 1911.11134)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tickets.drawers.base import Drawer, Round
from tickets.errors import UserError
from tickets.patterns import ELEMENT
from tickets.pruning.allocation import Allocation
from tickets.pruning.masks import Masks, Semantics
from tickets.pruning.rewiring import rewired, rewired_as_released
from tickets.pruning.schedules import exchanges
from tickets.scorers import SCORERS
from tickets.seeding import generator
from tickets.training.events import Event
from tickets.training.loop import Training

RULES = {"exact": rewired, "released": rewired_as_released}


@dataclass(frozen=True)
class Dynamic(Drawer):
    """Random masks from step 0; now and then every layer drops its smallest weights and grows as many elsewhere.

    No layer's count ever changes. New weights start at 0; one that is dropped and grown at once keeps its value. The
    gradient that weights are grown by is the whole one of the step before, masked weights included.

    Args:
        every: fraction of training between exchanges, which are at least 5 steps apart.
        fraction: share zeta of a layer's weights that an exchange drops, in (0, 1].
        law: whether zeta falls along a cosine to 0 at `stop`, or stays.
        stop: fraction of training after which the masks stay, in (0, 1]; 1 for exchanges up to the end.
        grow: by the size of the gradient (RigL), at random (SET), or nothing: the first masks stay.
        moments: what the optimiser remembers of masked weights: "reset" keeps it at zero, "keep" lets it gather.
        rule: "exact", or "released" for that of FreeTickets' code, under which layers may lose weights; they come back
            as zeros after the last step, so that a ticket has the sparsity asked for.
        share: length of the training as a fraction of the request's steps, above 0; 0 for equal budgets.
    """

    allocation: Allocation = "erk"
    every: float = 0.02
    fraction: float = 0.3
    law: Literal["cosine", "constant"] = "cosine"
    stop: float = 0.75
    grow: Literal["gradient", "random", "none"] = "gradient"
    moments: Literal["reset", "keep"] = "reset"
    rule: Literal["exact", "released"] = "exact"
    share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("every", "fraction", "stop"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}; give a fraction above 0 and at most 1")
        if self.share < 0:
            raise UserError(f"share is {self.share}; give a fraction of the steps above 0, or 0 for equal budgets")
        if self.grow != "none" and self.semantics != Semantics.PROJECTION:
            raise UserError(
                f"rewiring needs dense gradients, which semantics={self.semantics} does not have; leave semantics at "
                "projection"
            )
        if self.grow != "none" and self.pattern != ELEMENT:
            raise UserError(
                f"rewiring exchanges single weights, which the pattern {self.pattern} does not allow; leave pattern at "
                f"{ELEMENT}, or give grow=none"
            )

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """One, of the length that `share` says."""
        length = max(1, round(steps * (self.share or 1)))
        return [Round(length, events=self.events(length, sparsity))]

    def events(self, steps: int, sparsity: float) -> Sequence[Event]:
        """The masks, then their exchanges."""
        prune, updates = {"sparsity": sparsity}, self.updates(steps, sparsity)
        refill = [Event(steps, "prune", prune)] if updates and self.rule == "released" else []
        return [Event(0, "prune", prune), *updates, *refill]

    def updates(self, steps: int, sparsity: float) -> list[Event]:
        """The exchanges of a training of so many steps; none where nothing is removed or nothing grows."""
        if self.grow == "none" or not sparsity:
            return []
        found = exchanges(steps, self.every, self.fraction, self.stop, self.law)
        return [Event(step, "rewire", {"fraction": share}) for step, share in found]

    def choose(self, training: Training, sparsity: float) -> Masks:
        """Random ones of the allocation's counts; what is kept stays kept as far as a layer's count allows."""
        scores = SCORERS.make("random").scores(training.network, training.source, training.seed, sparsity)
        return self.allocate(training.network, scores, sparsity)

    def do_rewire(self, training: Training, fraction: float) -> None:
        """Exchange this share of every layer's weights."""
        if self.grow == "gradient":
            training.whole_gradient()
        weights, change = training.network.weights(), RULES[self.rule]
        random = generator(training.seed, "grow", training.memory.get("round", 0), training.step)
        masks = {
            name: change(mask, weights[name].detach(), self._wanted(weights[name]), fraction, random)
            for name, mask in training.network.masks.items()
        }
        training.set_masks(masks)
        self._forget(training)

    def _wanted(self, weight: Tensor) -> Tensor | None:
        """The gradient to grow by, zero where the loss does not depend on the weight; None for growing at random."""
        if self.grow != "gradient":
            return None
        return torch.zeros_like(weight) if weight.grad is None else weight.grad

    def after_step(self, training: Training) -> None:
        """Moments of masked weights do not gather."""
        self._forget(training)

    def _forget(self, training: Training) -> None:
        """Set the optimiser's moments of masked weights to zero, unless they are kept."""
        if self.moments == "reset" and training.optimizer.state:
            torch._foreach_mul_(*training.kept("moments", lambda: _moments(training)))


def _moments(training: Training) -> tuple[list[Tensor], list[Tensor]]:
    """The optimiser's moments of all masked weights, and their masks as numbers."""
    weights, state = training.network.weights(), training.optimizer.state
    pairs = [
        (moment, torch.empty_like(moment).copy_(mask))
        for name, mask in training.network.masks.items()
        for moment in state.get(weights[name], {}).values()
        if moment.shape == mask.shape
    ]
    return [moment for moment, _ in pairs], [factor for _, factor in pairs]
