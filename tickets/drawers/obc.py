"""Drawer: one-shot pruning that moves the weights which stay (OBC, arXiv 2208.11580; SparseGPT, arXiv 2301.00774)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tickets.drawers.base import Round, closing_prunes
from tickets.drawers.prune_once import PruneOnce
from tickets.errors import UserError
from tickets.pruning.masks import ones
from tickets.pruning.schedules import geometric
from tickets.pruning.second_order import compensated
from tickets.scorers.obs import hessians, saliencies
from tickets.training.loop import Training


@dataclass(frozen=True)
class OptimalCompression(PruneOnce):
    """Remove weights of a trained network in a few rounds; after each, the kept ones of every output make up for it.

    They get the values that are best for the layer's output on calibration batches, eq. 4 for all removed weights
    together. OBC removes one weight at a time and so gets the same values for its mask; `rounds` is how finely the
    order of removal follows that, and each round sees the inputs that the pruned layers before give, as in SparseGPT.
    Weights and their average are moved alike, by the inputs of the weights. Nothing is trained. An output of d weights
    takes about d^3 operations a round: little on supernet/tiny (d up to 240), far too much for a CPU on hosts such as
    resnet18 (up to 4608).

    Args:
        scorer: "obs", which is the method's own.
        batches: training batches that each round looks at, at least 1.
        rounds: prunings, at least 1, each of which removes the same share of what is left.
    """

    scorer: str = "obs"
    batches: int = 4
    rounds: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds < 1:
            raise UserError(f"rounds is {self.rounds}; give a whole number of at least 1")
        if self.scorer != "obs":
            raise UserError(
                f"scorer is {self.scorer}; obc ranks weights by what they cost once the others make up for them, so "
                f"leave it at obs, or draw with omp@scorer={self.scorer}"
            )

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """No training: the prunings alone."""
        prunes = closing_prunes(steps, geometric(sparsity, self.rounds))
        return [Round(steps, steps, [event for events in prunes for event in events])]

    @torch.no_grad()
    def do_prune(self, training: Training, sparsity: float) -> None:
        """Choose the masks at a sparsity, and move what they keep, weights and averages, to what is best under them."""
        network, averages = training.network, training.ema.values
        found = hessians(network, training.source, training.seed, self.batches)
        masks = self.allocate(network, saliencies(network, found), sparsity)
        there = ones(network.weights()) | network.masks
        for name, weight in network.weights().items():
            for tensor in (weight, averages[name]):
                tensor.copy_(compensated(tensor * there[name], masks[name], found[name]))
        training.set_masks(masks)
