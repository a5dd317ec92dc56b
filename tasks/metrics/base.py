"""What every metric offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self

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

    # A metric may also have per_class() -> {"iou": float64 (C,), ...}, NaN where a class has no value.
