"""All that is measured of several networks that predict together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from tasks.base import Task
    from tasks.metrics.base import Metric


class Together:
    """The task's metrics of the merged outputs and of every network's, how far to trust them, and how far they differ.

    Args:
        task: whose metrics they are.
        networks: how many networks.
        split: whose samples are scored.
    """

    def __init__(self, task: Task, networks: int, split: str) -> None:
        self.task = task
        self.merged, *self.each = (_metrics(task, split) for _ in range(1 + networks))
        self.apart = task.diversity(networks)

    @property
    def count(self) -> int:
        """Samples seen."""
        return self.merged[0].count

    @property
    def amounts(self) -> list[str]:
        """Names of what is computed that are no fractions."""
        return [name for metric in self.merged for name in getattr(metric, "amounts", ())]

    def update(self, outputs: Any, batch: Mapping[str, Tensor]) -> None:
        """Add the outputs of every network for a batch, in their order, and its truth."""
        for metrics, found in zip((self.merged, *self.each), (self.task.merge(outputs), *outputs), strict=True):
            for metric in metrics:
                metric.update(found, batch)
        if self.apart is not None:
            self.apart.update(outputs, batch)

    def merge(self, other: Together) -> None:
        """Add what another one of as many networks has seen."""
        for own, theirs in zip((self.merged, *self.each), (other.merged, *other.each), strict=True):
            for metric, more in zip(own, theirs, strict=True):
                metric.merge(more)
        if self.apart is not None and other.apart is not None:
            self.apart.merge(other.apart)

    def compute(self) -> dict[str, float]:
        """The scores of the merged outputs, the primary one first, and how far the networks differ."""
        return _computed(self.merged) | (self.apart.compute() if self.apart is not None else {})

    def members(self) -> list[dict[str, float]]:
        """The scores of every network by itself."""
        return [_computed(metrics) for metrics in self.each]

    def per_class(self) -> dict[str, Tensor]:
        """The merged outputs' scores by class, where the task's metric tells them."""
        found: dict[str, Tensor] = getattr(self.merged[0], "per_class", dict)()
        return found


def _metrics(task: Task, split: str) -> list[Metric]:
    """Fresh accumulators for the outputs of one network, the task's own first."""
    trust = task.reliability()
    return [task.metric(split), *([] if trust is None else [trust])]


def _computed(metrics: Sequence[Metric]) -> dict[str, float]:
    return {name: value for metric in metrics for name, value in metric.compute().items()}
