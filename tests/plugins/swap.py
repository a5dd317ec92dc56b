"""Drawer: sparse from the first step on; now and then every layer lets its smallest weights go for random ones."""

from dataclasses import dataclass
from typing import Literal

import torch

from tickets import SCORERS, Drawer, Event, UserError, generator


@dataclass(frozen=True)
class Swap(Drawer):
    """Random masks of Erdős-Rényi kernel densities, whose layers exchange weights, their number kept.

    Args:
        interval: fraction of training between exchanges.
        share: of a layer's weights that are exchanged.
    """

    allocation: Literal["global", "uniform", "erk"] = "erk"
    interval: float = 0.1
    share: float = 0.2

    def __post_init__(self):
        super().__post_init__()
        if self.pattern != "element":
            raise UserError(f"swap exchanges single weights, and the pattern is {self.pattern}; leave pattern as it is")

    def events(self, steps, sparsity):
        every = max(1, round(self.interval * steps))
        swaps = [Event(step, "swap", {"share": self.share}) for step in range(every, steps, every)]
        return [Event(0, "prune", {"sparsity": sparsity}), *swaps]

    def choose(self, training, sparsity):
        scores = SCORERS.make("random").scores(training.network, training.source, training.seed, sparsity)
        return self.allocate(training.network, scores, sparsity)

    def do_swap(self, training, share):
        """The smallest weights go; as many of those that were not there come, at 0."""
        masks, g = dict(training.network.masks), generator(training.seed, "swap", training.step)
        for name, weight in training.network.weights().items():
            size = weight.detach().abs().masked_fill(~masks[name], -1)
            order, live = size.flatten().argsort(descending=True, stable=True), int(masks[name].sum())
            count = min(round(share * live), len(order) - live)
            new = order[live:][torch.randperm(len(order) - live, generator=g)[:count].to(order.device)]
            kept = torch.cat([order[: live - count], new])
            masks[name] = torch.zeros_like(order, dtype=torch.bool).index_fill_(0, kept, True).view(weight.shape)
        training.set_masks(masks)
