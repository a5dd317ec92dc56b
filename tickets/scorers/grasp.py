"""Scorer: gradient signal preservation (GraSP, arXiv 2002.07376)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tickets.scorers.base import DataScorer, below, gradient, mean
from tickets.source import Batch, Source
from tickets.training.network import Network

TEMPERATURE = 200.0
"""Divides the outputs, as in the official code."""


@dataclass(frozen=True)
class Grasp(DataScorer):
    """w (H g), half of what removing a weight takes off the gradient flow g'g.

    At first order; the sign matters: a weight whose removal raises the flow is negative and goes first. g
    and H are the gradient and the Hessian of the mean loss over the batches with respect to the prunable
    weights, the outputs divided by a temperature of 200; g is zero where a weight is masked, since it does
    not train. One batch's graph is held at a time.
    """

    def scores(self, network: Network, source: Source, seed: int, sparsity: float) -> dict[str, Tensor]:
        """w (H g)."""
        twin = network.effective()
        weights = twin.weights()

        def loss(batch: Batch) -> Tensor:
            return source.loss(twin(batch["image"]) / TEMPERATURE, batch)

        flow = mean(lambda batch: gradient(loss(batch), weights), source, seed, self.batches)
        flow |= {name: flow[name] * mask for name, mask in network.masks.items() if name in flow}

        def curvature(batch: Batch) -> dict[str, Tensor]:
            slopes = gradient(loss(batch), weights, create_graph=True)
            return gradient(torch.stack([(flow[n] * slope).sum() for n, slope in slopes.items()]).sum(), weights)

        curved = mean(curvature, source, seed, self.batches)
        values = {name: w.detach() * curved[name] for name, w in network.weights().items()}
        return below(values, network.masking.present(network))
