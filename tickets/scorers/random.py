"""Scorer: chance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tickets.scorers.base import Scorer, below
from tickets.seeding import generator
from tickets.source import Source
from tickets.training.network import Network


@dataclass(frozen=True)
class Random(Scorer):
    """Uniform in [0, 1), the same at every call with one seed and architecture, so that levels are nested."""

    def scores(self, network: Network, source: Source, seed: int, sparsity: float) -> dict[str, Tensor]:
        """A number a weight."""
        g = generator(seed, "scores")
        drawn = {name: torch.rand(w.shape, generator=g).to(w.device) for name, w in network.weights().items()}
        return below(drawn, network.masking.present(network))
