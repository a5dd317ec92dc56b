"""How a training went, in a few points, for pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from bench.records.record import Measured, Part
from tickets.training.progress import Progress

POINTS = 64
"""Of a curve at most."""

Share = Annotated[float, Field(ge=0, le=1)]


class Curve(Part):
    """A training, or several one after the other.

    Args:
        points: done share of all steps, the source's loss on that step's batch, and the removed share of the host's
            weights. Which steps is a matter of time; of a job that was interrupted they are those since.
    """

    points: tuple[tuple[Share, Measured, Share], ...] = Field(max_length=POINTS)


class Watch:
    """A report that keeps a curve of what it is told, and tells it on.

    Args:
        report: whom to; None for nobody.
    """

    def __init__(self, report: Callable[[Progress], None] | None) -> None:
        self.report = report
        self._points: list[tuple[float, float, float]] = []
        self._each, self._skipped = 1, 0

    def __call__(self, at: Progress) -> None:
        """Be told; of twice as many reports as a curve has points every second one is forgotten."""
        if self.report is not None:
            self.report(at)
        self._skipped += 1
        if self._skipped < self._each or not math.isfinite(at.loss):
            return
        self._skipped = 0
        self._points.append((round(at.step / at.steps, 4), float(f"{at.loss:.4g}"), round(at.sparsity, 4)))
        if len(self._points) > POINTS:
            self._points, self._each = self._points[1::2], 2 * self._each

    @property
    def curve(self) -> Curve:
        """What was told so far."""
        return Curve(points=tuple(self._points))
