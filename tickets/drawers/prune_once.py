"""Drawer: prune a trained network once, by any scorer (one-shot pruning; search-then-prune)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tickets.drawer import Drawer, Request, initial_head, last_prune
from tickets.drawers import traits
from tickets.errors import UserError
from tickets.masks import Masks
from tickets.network import Network
from tickets.scores import SCORERS
from tickets.training import Training
from tickets.traits import Traits


@dataclass(frozen=True)
class PruneOnce(Drawer):
    """Score the weights of a trained ticket of sparsity 0 and keep the best; nothing is trained afterwards.

    On `dense` it is one-shot pruning, by magnitude `omp`; on a searched network it is the
    search-then-prune baseline of SuperTickets (arXiv 2207.03677), `stp/SCORER`. Retraining is the recipe
    `continue`.

    Args:
        base: the drawer that trains the network.
        scorer: importance of weights, a name in `tickets.scores.SCORERS`.
        batches: training batches that a scorer with data sees, at least 1.
    """

    base: str = "dense"
    scorer: Literal["magnitude", "random", "snip", "grasp", "synflow"] = "magnitude"
    batches: int = 8

    def __post_init__(self) -> None:
        if self.batches < 1:
            raise UserError(f"batches is {self.batches}; a scorer needs at least 1 training batch")

    @property
    def traits(self) -> Traits:
        """It starts from another drawer's ticket."""
        return Traits(self.base, searches=traits(self.base).searches)

    def steps(self, steps: int, sparsity: float) -> int:
        """None."""
        return 0

    def train(self, request: Request) -> Training:
        """No training: the base's network and average, with the last pruning's events."""
        base = request.base
        if base is None:
            raise ValueError(f"{type(self).__name__} starts from a ticket of '{self.base}' and was given none")
        host = base.build("raw")
        head = initial_head(request.source, host, request.seed, base.head.units or None)
        head.load_state_dict(base.head.state("raw"), strict=True)
        network = Network(host, head, semantics=self.semantics)
        training = Training(network=network, source=request.source, settings=request.settings, seed=request.seed)
        for part, saved in (("host", base.host), ("head", base.head)):
            for name, tensor in saved.state("ema").items():
                if f"{part}.{name}" in training.ema.values:
                    training.ema.values[f"{part}.{name}"].copy_(tensor)
        for event in last_prune(0, self.target(request.sparsity)):
            self.handle(training, event)
        return training

    def choose(self, training: Training, sparsity: float) -> Masks:
        """The masks by the scorer, its work counted."""
        scorer = SCORERS[self.scorer]
        found = scorer(training.network, training.source, training.seed, self.batches, sparsity)
        training.spent.add(found.macs_images, training.forward_cost)
        return self.allocate(training.network, found.values, sparsity)
