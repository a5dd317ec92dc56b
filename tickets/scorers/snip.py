"""Scorer: connection sensitivity (SNIP, arXiv 1810.02340)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tickets.scorers.base import DataScorer, below, gradient, mean
from tickets.source import Source
from tickets.training.network import Network


@dataclass(frozen=True)
class Snip(DataScorer):
    """|w dL/d(m*w)|, what removing a weight does to the loss at first order.

    By the chain rule this is |dL/dm|, which a masked weight has too. L is the mean loss over the batches.
    """

    def scores(self, network: Network, source: Source, seed: int, sparsity: float) -> dict[str, Tensor]:
        """|w dL/d(m*w)|."""
        twin = network.effective()
        weights = twin.weights()
        slopes = mean(
            lambda batch: gradient(source.loss(twin(batch["image"]), batch), weights), source, seed, self.batches
        )
        values = {name: (w.detach() * slopes[name]).abs() for name, w in network.weights().items()}
        return below(values, network.masking.present(network))
