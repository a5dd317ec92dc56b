"""What a scorer is, and what several of them need.

A scorer sees a task through its `Source` alone: batches and a loss closure, the format of neither. What it runs is a
copy of the effective network, m*w, in eval mode, and is counted where it runs (`tickets.training.spent`); the network
it is given is left as it was. What a masked weight scores follows from the network's masking: where it kept its value
it is scored by it and may return; where it is gone it scores below every weight that is there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tickets.errors import UserError
from tickets.pruning.masks import Masks
from tickets.seeding import seeded
from tickets.source import Batch, Source
from tickets.training.network import Network


class Scorer(ABC):
    """Importance of weights; a frozen dataclass, whose fields are its options."""

    version: ClassVar[int] = 1

    @abstractmethod
    def scores(self, network: Network, source: Source, seed: int, sparsity: float) -> dict[str, Tensor]:
        """Score every weight of `network.weights()`.

        Args:
            network: on the source's device, with a tensor as output; not modified.
            source: the task; `calibration`, `loss`, `size` and `device` are there for scorers.
            seed: of whatever is random.
            sparsity: removed share that the scores are meant for, in [0, 1).

        Returns:
            By weight name, float, shaped like the weight and on its device; larger is kept.
        """


@dataclass(frozen=True)
class DataScorer(Scorer):
    """One that looks at training batches.

    Args:
        batches: calibration batches to average over, at least 1.
    """

    batches: int = 8

    def __post_init__(self) -> None:
        if self.batches < 1:
            raise UserError(f"batches is {self.batches}; a scorer needs at least 1 training batch")


def below(scores: Mapping[str, Tensor], present: Masks) -> dict[str, Tensor]:
    """The scores with all that is not present at one value strictly below the rest.

    It is no denormal number: where those are flushed to zero, as they are while jobs run, one would tie with a zero.
    """
    rest = torch.cat([score[present[name]] for name, score in scores.items()])
    rest = rest[rest.isfinite()]
    if not len(rest):
        return dict(scores)
    floor = torch.nextafter(rest.min(), rest.new_tensor(-torch.inf)).clamp_max(-torch.finfo(rest.dtype).tiny)
    return {name: torch.where(present[name], score, floor) for name, score in scores.items()}


def gradient(value: Tensor, weights: Mapping[str, Tensor], create_graph: bool = False) -> dict[str, Tensor]:
    """d value / d weight by name; zero for a weight that the value does not depend on."""
    found = torch.autograd.grad(
        value, list(weights.values()), create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return dict(zip(weights, found, strict=True))


def mean(term: Callable[[Batch], dict[str, Tensor]], source: Source, seed: int, batches: int) -> dict[str, Tensor]:
    """The mean of a term over calibration batches."""
    total: dict[str, Tensor] = {}
    with seeded(seed, "scores"), torch.enable_grad():
        for batch in source.calibration(batches):
            for name, value in term(batch).items():
                total[name] = total[name] + value if name in total else value
    return {name: value / batches for name, value in total.items()}
