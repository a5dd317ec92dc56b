"""Scorer: empirical Fisher information (Theis et al., arXiv 1801.05787)."""

from dataclasses import dataclass

import torch

from tickets import DataScorer


@dataclass(frozen=True)
class Fisher(DataScorer):
    """(g w)^2, summed over batches: what removing a weight does to the loss at second order, g a batch's gradient."""

    def scores(self, network, source, seed, sparsity):
        twin = network.effective()
        weights = twin.weights()
        total = {name: torch.zeros_like(w) for name, w in weights.items()}
        for batch in source.calibration(self.batches):
            loss = source.loss(twin(batch["image"]), batch)
            slopes = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True, allow_unused=True)
            for (name, w), g in zip(weights.items(), slopes, strict=True):
                total[name] += (g * w.detach()) ** 2
        return total
