"""What every metric offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

from torch import Tensor


class Metric(Protocol):
    """What every metric offers: `a.update(x); a.merge(b); a.compute()`, in fractions of one."""

    @property
    def count(self) -> int:
        """Samples seen."""
        ...

    def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add a batch of outputs and truths; neither is modified."""
        ...

    def merge(self, other: Self) -> None:
        """Add what another metric of the same kind has seen; it is not modified."""
        ...

    def compute(self) -> dict[str, float]:
        """The scores over everything seen, the primary one first.

        Raises:
            ValueError: nothing that can be scored was seen.
        """
        ...

    # A metric may also have per_class() -> {"iou": float64 (C,), ...}, NaN where a class has no value; and `amounts`,
    # the names of what it computes that are no fractions of one but finite and at least 0.


class Diversity(Protocol):
    """How far several networks differ in what they predict for the same batches; otherwise as a `Metric`."""

    def update(self, outputs: Sequence[Any], batch: Mapping[str, Tensor]) -> None:
        """Add each network's outputs for a batch, and its truth."""
        ...

    def merge(self, other: Self) -> None:
        """Add what another one of as many networks has seen."""
        ...

    def compute(self) -> dict[str, float]:
        """Fractions of one, by name."""
        ...
