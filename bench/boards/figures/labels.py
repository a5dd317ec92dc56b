"""Labels beside points that overlap nothing, whose lines cross no other: each takes the nearest free spot, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from bench.boards.figures.canvas import SMALL
from bench.boards.look import INK, PAPER, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

NEAR = 12
"""Points, up to which a label needs no line to what it labels."""
REACH = (7, 14, 24, 36, 50, 70, 95, 125)
SIDES = ((-1, 1), (1, -1), (1, 1), (-1, 0), (1, 0), (0, 1), (0, -1), (-1, -1))
"""Of a point, the best first: the line of a front comes from below and goes to the right."""
BETWEEN = tuple((right, up) for right in (1, 0.5, -0.5, -1) for up in (1, 0.5, -0.5, -1) if abs(right * up) == 0.5)
"""Further ones, of labels with a line."""
MARK, AIR = 4.5, 1.5
"""Points around a mark, and around a label, that stay free."""
FAR = 0.15
"""How many spots of a line a label rather covers than stand a point farther away."""
STEP = 5
"""Points from one spot of a line that stays free to the next."""

HALO = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.7, "pad": 0.3}

Line = tuple[Any, Sequence[float], Sequence[float]]
"""Axes and the corners' x and y, in data."""
Spot = tuple[float, float]
"""In pixels."""
Leader = tuple[Spot, Spot]
"""From the side of a label to its point."""


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
    room = _Room(
        [_box(x, y, MARK) for mark in marks for x, y in _pixels(mark)],
        [_box(x, y, 1) for line in lines for x, y in _along(_pixels(line))],
    )
    return [label for label in wanted if not _is_placed(label, room)]


@dataclass
class _Room:
    """What is there already.

    Args:
        marks: boxes that no label may cover.
        crossed: boxes that none covers where there is room elsewhere.
        written: boxes of labels.
        leaders: lines from labels to their points.
    """

    marks: Sequence[Bbox]
    crossed: Sequence[Bbox]
    written: list[Bbox] = field(default_factory=list)
    leaders: list[Leader] = field(default_factory=list)

    def cost(self, box: Bbox, leader: Leader | None) -> int:
        """How many spots of lines a label covers, and how many marks its own line strikes."""
        struck = 0 if leader is None else sum(_strikes(leader, mark.padded(-AIR)) for mark in self.marks) - 1
        return sum(box.overlaps(other) for other in self.crossed) + max(struck, 0)

    def is_free(self, box: Bbox, leader: Leader | None) -> bool:
        """Whether a label and its line cover, strike and cross nothing."""
        if any(box.overlaps(other) for other in (*self.marks, *self.written)):
            return False
        if any(_strikes(line, box) for line in self.leaders):
            return False
        return leader is None or not (
            any(_strikes(leader, other) for other in self.written) or any(_cross(leader, line) for line in self.leaders)
        )


def _strikes(leader: Leader, box: Bbox) -> bool:
    """Whether a line has a point in a box: an end, or one of a diagonal."""
    x0, y0, x1, y1 = box.extents
    has_end = any(x0 < x < x1 and y0 < y < y1 for x, y in leader)
    return has_end or _cross(leader, ((x0, y0), (x1, y1))) or _cross(leader, ((x0, y1), (x1, y0)))


def _cross(one: Leader, other: Leader) -> bool:
    """Whether two lines have an inner point in common."""
    (a, b), (c, d) = one, other
    return _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0


def _turn(a: Spot, b: Spot, c: Spot) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


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


def _is_placed(label: Label, room: _Room) -> bool:
    """Draw a label at the nearest spot within its axes where it is free, and keep that; not where there is none."""
    inside, size = label.axes.get_window_extent(), _size(label)
    ((x, y),) = _pixels((label.axes, [label.x], [label.y]))
    spots: list[tuple[float, int, Bbox, Leader | None]] = []
    for reach, (right, up) in product(REACH, (*SIDES, *BETWEEN)):
        box = _box(x + right * (reach + size.width / 2), y + up * (reach + size.height / 2), 0)
        box = box.padded(size.width / 2 + AIR, size.height / 2 + AIR)
        leader = (_end(box, x), (x, y)) if reach > NEAR else None
        is_inside = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
        if is_inside and room.is_free(box, leader):
            spots.append((room.cost(box, leader) + reach * FAR, len(spots), box, leader))
    if not spots:
        return False
    _, _, box, leader = min(spots, key=lambda spot: spot[:2])
    _write(label, (x, y), box, leader is not None)
    room.written.append(box)
    room.leaders += [leader] if leader else []
    return True


def _size(label: Label) -> Bbox:
    """The box of a label's text, wherever it stands."""
    text = label.axes.text(0, 0, label.text, fontsize=SMALL, transform=None)
    box: Bbox = text.get_window_extent()
    text.remove()
    return box


def _side(box: Bbox, x: float) -> tuple[str, float]:
    """Which side of a label is nearest to its point, and where that is."""
    sides = {"center": (box.x0 + box.x1) / 2, "left": box.x0 + AIR, "right": box.x1 - AIR}
    name = min(sides, key=lambda side: abs(sides[side] - x))
    return name, sides[name]


def _end(box: Bbox, x: float) -> Spot:
    """Where the line to its point begins."""
    return _side(box, x)[1], (box.y0 + box.y1) / 2


def _write(label: Label, point: Spot, box: Bbox, is_led: bool) -> None:
    """Write a label into a box, and draw the line to its point where they are apart.

    The side that is nearest to the point is what holds: another font may make the text longer or shorter.
    """
    (x, y), (side, place) = point, _side(box, point[0])
    begin = {"left": 0.0, "center": 0.5, "right": 1.0}[side]
    line = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3, "relpos": (begin, 0.5)}
    label.axes.annotate(
        label.text,
        (label.x, label.y),
        (place - x, (box.y0 + box.y1) / 2 - y),
        textcoords="offset points",
        ha=side,
        va="center",
        fontsize=SMALL,
        color=INK,
        arrowprops=line if is_led else None,
        bbox=HALO,
    )
