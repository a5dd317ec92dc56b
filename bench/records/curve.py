"""How a training went, in a few points, for pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from bench.records.record import Measured, Part
from tickets.training.progress import Progress

POINTS = 64
"""Of a curve at most."""
LARGEST = 1e30
"""A loss that is as large or no number is no point."""

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
        self._points: list[tuple[int, tuple[float, float, float]]] = []
        self._count, self._each = 0, 1

    def __call__(self, at: Progress) -> None:
        """Be told; where a curve has as many points as it may, every second one is forgotten from then on."""
        if self.report is not None:
            self.report(at)
        self._count += 1
        if self._count % self._each or not abs(at.loss) < LARGEST:
            return
        done = min(at.step / at.steps, 1.0)  # a last step may be worth several
        point = round(done, 4), float(f"{at.loss:.4g}"), round(at.sparsity, 4)
        self._points.append((self._count, point))
        if len(self._points) > POINTS:
            self._each *= 2
            self._points = [(count, point) for count, point in self._points if not count % self._each]

    @property
    def curve(self) -> Curve:
        """What was told so far."""
        return Curve(points=tuple(point for _, point in self._points))
