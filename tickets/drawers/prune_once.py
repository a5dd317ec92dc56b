"""Drawer: prune a trained network once, by any scorer (one-shot pruning; search-then-prune)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tickets.drawers import DRAWERS
from tickets.drawers.base import Drawer, Request, Round, last_prune, trained
from tickets.errors import UserError
from tickets.patterns import PATTERNS
from tickets.pruning.masks import Masks
from tickets.scorers import SCORERS
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.traits import Traits, based_on


@dataclass(frozen=True)
class PruneOnce(Drawer):
    """Score the weights of a trained ticket of sparsity 0 and keep the best; nothing is trained afterwards.

    On `dense` it is one-shot pruning, by magnitude `omp`; on a searched network it is the
    search-then-prune baseline of SuperTickets (arXiv 2207.03677), `stp/SCORER`. Retraining is the recipe
    `continue`.

    Args:
        base: the drawer that trains the network.
        scorer: importance of weights, a name in `tickets.scorers.SCORERS`.
        batches: training batches that a scorer with data sees, at least 1.
    """

    base: str = "dense"
    scorer: str = "magnitude"
    batches: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        DRAWERS.resolve(self.base)
        SCORERS.resolve(self.scorer)
        if self.batches < 1:
            raise UserError(f"batches is {self.batches}; a scorer needs at least 1 training batch")

    @property
    def traits(self) -> Traits:
        """It starts from another drawer's ticket; of a searched one the pattern's groups must divide what is left."""
        searches, base = DRAWERS.traits(self.base).searches, self.base
        if searches and PATTERNS.make(self.pattern).multiple > 1:
            base = DRAWERS.resolve(f"{base}@pattern={self.pattern}")
        return Traits(based_on(base), searches=searches)

    @property
    def uses(self) -> dict[str, str]:
        """The scorer too."""
        return {**super().uses, "scorer": self.scorer}

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """No training: the last pruning alone."""
        return [Round(steps, steps, last_prune(steps, sparsity))]

    def begin(self, request: Request, this: Round, before: Training | None) -> Training:
        """The base's network with its average."""
        training, base = super().begin(request, this, before), request.given["base"]
        for part, saved in (("host", base.host), ("head", base.head)):
            for name, tensor in saved.state("ema").items():
                if f"{part}.{name}" in training.ema.values:
                    training.ema.values[f"{part}.{name}"].copy_(tensor)
        return training

    def network(self, request: Request, before: Training | None) -> Network:
        """The base's network as it was trained."""
        network = trained(request)
        network.masking = self.masking(network, request)
        return network

    def choose(self, training: Training, sparsity: float) -> Masks:
        """The masks by the scorer."""
        scorer = SCORERS.make(self.scorer, {"batches": self.batches})
        found = scorer.scores(training.network, training.source, training.seed, sparsity)
        return self.allocate(training.network, found, sparsity)
