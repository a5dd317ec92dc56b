"""Labels beside points that overlap nothing: each takes the nearest free spot, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from bench.boards.figures.canvas import SMALL
from bench.boards.look import INK, PAPER, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

NEAR = 12
"""Points, up to which a label needs no line to what it labels."""
REACH = (7, 14, 24, 36, 50, 70)
SIDES = ((-1, 1), (1, -1), (1, 1), (-1, 0), (1, 0), (0, 1), (0, -1), (-1, -1))
"""Of a point, the best first: the line of a front comes from below and goes to the right."""
MARK, AIR = 4.5, 1.5
"""Points around a mark, and around a label, that stay free."""
FAR = 0.15
"""How many spots of a line a label rather covers than stand a point farther away."""
STEP = 5
"""Points from one spot of a line that stays free to the next."""

HALO = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.7, "pad": 0.3}

Line = tuple[Any, Sequence[float], Sequence[float]]
"""Axes and the corners' x and y, in data."""


@dataclass(frozen=True)
class Label:
    """A text and what it belongs to.

    Args:
        axes: that it stands in.
        x: of the point, in data.
        y: of the point, in data.
        text: on one line.
    """

    axes: Any
    x: float
    y: float
    text: str


def place(figure: Figure, wanted: Iterable[Label], marks: Iterable[Line], lines: Iterable[Line] = ()) -> list[Label]:
    """Put labels on a figure, the first ones first; its layout is settled from then on.

    Args:
        figure: with everything else on it.
        wanted: the most important first.
        marks: whose corners no label may cover.
        lines: that none covers where there is room elsewhere.

    Returns:
        Those that found no room, which are not drawn.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    taken = [_box(x, y, MARK) for mark in marks for x, y in _pixels(mark)]
    crossed = [_box(x, y, 1) for line in lines for x, y in _along(_pixels(line))]
    left = []
    for label in wanted:
        box = _placed(label, taken, crossed)
        if box is None:
            left.append(label)
        else:
            taken.append(box)
    return left


def _box(x: float, y: float, around: float) -> Bbox:
    from matplotlib.transforms import Bbox

    return Bbox.from_extents(x - around, y - around, x + around, y + around)


def _pixels(line: Line) -> list[tuple[float, float]]:
    axes, x, y = line
    return [(float(a), float(b)) for a, b in axes.transData.transform(list(zip(x, y, strict=True)))]


def _along(corners: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Spots along a line, close together."""
    for (x0, y0), (x1, y1) in pairwise(corners):
        count = int(max(abs(x1 - x0), abs(y1 - y0)) / STEP) + 1
        yield from ((x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count) for i in range(count + 1))


def _placed(label: Label, taken: Sequence[Bbox], crossed: Sequence[Bbox]) -> Bbox | None:
    """Draw a label at the nearest spot within its axes where it covers nothing; None where there is none."""
    from matplotlib.text import Text

    text, room = _written(label), label.axes.get_window_extent()
    size = Text.get_window_extent(text)  # without the line
    ((x, y),) = _pixels((label.axes, [label.x], [label.y]))
    spots: list[tuple[float, int, Bbox, tuple[float, int, int]]] = []
    for reach, (right, up) in product(REACH, SIDES):
        box = _box(x + right * (reach + size.width / 2), y + up * (reach + size.height / 2), 0)
        box = box.padded(size.width / 2 + AIR, size.height / 2 + AIR)
        inside = room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
        if inside and not any(box.overlaps(other) for other in taken):
            cost = sum(box.overlaps(other) for other in crossed) + reach * FAR
            spots.append((cost, len(spots), box, (reach, right, up)))
    if not spots:
        text.remove()
        return None
    _, _, box, side = min(spots, key=lambda spot: spot[:2])
    _put(text, *side)
    return box


def _written(label: Label) -> Any:
    line = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
    spot = (label.x, label.y)
    return label.axes.annotate(
        label.text, spot, (0, 0), textcoords="offset points", fontsize=SMALL, color=INK, arrowprops=line, bbox=HALO
    )


def _put(text: Any, reach: float, right: int, up: int) -> None:
    """Move an annotation aside of its point, and draw the line between them where they are apart."""
    text.set_position((reach * right, reach * up))
    text.set_ha({1: "left", 0: "center", -1: "right"}[right])
    text.set_va({1: "bottom", 0: "center", -1: "top"}[up])
    text.arrow_patch.set_visible(reach > NEAR)
