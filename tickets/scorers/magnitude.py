"""Scorer: the size of a weight."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tickets.scorers.base import Scorer, below
from tickets.source import Source
from tickets.training.network import Network


@dataclass(frozen=True)
class Magnitude(Scorer):
    """|w|."""

    def scores(self, network: Network, source: Source, seed: int, sparsity: float) -> dict[str, Tensor]:
        """|w|."""
        sizes = {name: w.detach().abs() for name, w in network.weights().items()}
        return below(sizes, network.masking.present(network))
