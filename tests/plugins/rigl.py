"""Drawer: RigL, sparse from the first step on, rewired to where the dense gradient is large (arXiv 1911.11134)."""

from dataclasses import dataclass
from math import cos, pi
from typing import Literal

import torch

from tickets import SCORERS, Drawer, Event, UserError, generator


@dataclass(frozen=True)
class RigL(Drawer):
    """Random masks of Erdős-Rényi kernel densities; now and then every layer exchanges weights, their number kept.

    Args:
        interval: fraction of training between exchanges.
        fraction: of a layer's weights that are exchanged at first; it falls along a cosine.
        stop: fraction of training at which it is 0.
    """

    allocation: Literal["global", "uniform", "erk"] = "erk"
    interval: float = 0.02
    fraction: float = 0.3
    stop: float = 0.75

    def __post_init__(self):
        super().__post_init__()
        if self.semantics != "projection" or self.pattern != "element":
            raise UserError("rigl exchanges single weights by dense gradients; leave semantics and pattern as they are")

    def events(self, steps, sparsity):
        every, end = max(1, round(self.interval * steps)), self.stop * steps
        shares = {step: self.fraction / 2 * (1 + cos(pi * step / end)) for step in range(every, steps, every)}
        exchanges = [Event(step, "rewire", {"share": share}) for step, share in shares.items() if step < end]
        return [Event(0, "prune", {"sparsity": sparsity}), *exchanges]

    def choose(self, training, sparsity):
        scores = SCORERS.make("random").scores(training.network, training.source, training.seed, sparsity)
        return self.allocate(training.network, scores, sparsity)

    def do_rewire(self, training, share):
        """The smallest weights go; as many of the largest gradient come, at 0; where it is 0, random ones."""
        masks, g = dict(training.network.masks), generator(training.seed, "rewire", training.step)
        for name, weight in training.network.weights().items():
            mask, noise = masks[name], 1e-30 * torch.rand(weight.shape, generator=g).to(weight.device)
            count = min(round(share * int(mask.sum())), int((~mask).sum()))
            slope = noise if weight.grad is None else weight.grad.abs() + noise
            kept = highest(weight.detach().abs().masked_fill(~mask, -1), int(mask.sum()) - count)
            masks[name] = kept | highest(slope.masked_fill(kept, -1), count)
            for moment in training.optimizer.state[weight].values():
                if moment.shape == weight.shape:
                    moment.mul_(masks[name] & mask)
        training.set_masks(masks)


def highest(scores, count):
    order = scores.flatten().argsort(descending=True, stable=True)
    return torch.zeros_like(order, dtype=torch.bool).index_fill_(0, order[:count], True).view(scores.shape)
