"""Score against what a ticket costs when it is used, with the front of what is worth having."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.boards import pareto
from bench.boards.facts import called, facts, metric
from bench.boards.figures import axes, labels
from bench.boards.figures.canvas import Figure, clipped
from bench.boards.leaderboard import Board, Row
from bench.boards.look import INK, SOFT, Look
from bench.boards.words import heading
from bench.numbers.amounts import counted, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

SAME = 0.02
"""Costs that differ by less than this share are equal by rule, as parameters are at one sparsity, and no panel."""
WIDE = 8
"""Largest over least cost from which on the axis is logarithmic."""
LONGEST, NAME = 36, 20
"""Letters of a method and of a task in a label."""
RIVALS = ("ticket", "native")
"""Roles that the front is drawn of."""

Known = list[tuple[Row, float]]
"""Rows with their cost."""


@dataclass(frozen=True)
class Cost:
    """What a panel has on its axis.

    Args:
        title: of the axis.
        read: row -> cost, None where it is not known.
        told: a cost in words.
    """

    title: str
    read: Callable[[Row], float | None]
    told: Callable[[float], str]


COSTS = (
    Cost("MACs of the ticket for one image", lambda row: row.sparse_macs, lambda value: counted(value, "k")),
    Cost("weights of the ticket", lambda row: row.parameters, lambda value: counted(value, "k")),
    Cost("measured latency, share of the dense host's", lambda row: row.faster and 1 / row.faster, percent),
)


def figure(board: Board, boards: Sequence[Board], slug: str, looks: Mapping[str, Look]) -> Figure | None:
    """The trade-offs of a board; None where its tickets cost the same in every way.

    Args:
        board: of transfers.
        boards: all there are, which tell how it must be called.
        slug: of the board.
        looks: of all methods.
    """
    costs = [cost for cost in COSTS if _differ(board.rows, cost)]
    if not costs:
        return None
    equal = [cost.title for cost in COSTS[:2] if cost not in costs]
    reading = ["line: front of the means", "band: fronts of the ends of the 95 % t-intervals", *(
        f"equal by rule, and so not drawn: {title}" for title in equal
    )]  # fmt: skip
    by = f"latency on {board.measured}" if board.measured else ""
    shown = [
        (called(row.key, row.edition), row.key.source, row.key.role, row.key.sparsity, row.score, cost.read(row))
        for cost in costs
        for row in board.rows
    ]
    return Figure(
        name="tradeoff",
        slug=slug,
        title=heading(board, boards),
        facts=facts(board.place, board.rows, *reading, *([by] if by else [])),
        size=(4.2 * max(len(costs), 2) + 0.6, 4.6),
        draw=lambda drawn: _draw(drawn, board, costs, looks),
        shown=shown,
    )


def _rivals(known: Known) -> Known:
    """Tickets and native ones, which the front is drawn of."""
    return [pair for pair in known if pair[0].key.role in RIVALS]


def _differ(rows: Iterable[Row], cost: Cost) -> bool:
    known = [value for _, value in _rivals(_known(rows, cost))]
    return bool(known) and max(known) > (1 + SAME) * min(known)


def _draw(drawn: Drawing, board: Board, costs: Sequence[Cost], looks: Mapping[str, Look]) -> None:
    panels = drawn.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for panel, cost in zip(panels, costs, strict=True):
        _panel(panel, board, cost, looks)
    axes.scores(panels, [row.score for row in board.rows if row.score], metric(board.metric))
    roles = {row.key.role for row in board.rows}
    methods = sorted({row.key.method for row in board.rows if row.key.role != "dense"})
    axes.key(drawn, {name: looks[name] for name in methods}, roles)
    wanted, marks, lines = [], [], []
    for panel, cost in zip(panels, costs, strict=True):
        known = _known(board.rows, cost)
        wanted += [labels.Label(panel, value, row.mean, _named(row, board.rows)) for row, value in _told(known)]
        marks.append((panel, [value for _, value in known], [row.mean for row, _ in known]))
        lines.append((panel, *_corners(*_steps(_rivals(known), panel.get_xlim()[1]))))
        lines += [
            (panel, [value] * 2, [row.mean - (row.half or 0), row.mean + (row.half or 0)]) for row, value in known
        ]
    labels.place(drawn, wanted, marks, lines)


def _known(rows: Iterable[Row], cost: Cost) -> Known:
    return [(row, value) for row in rows if (value := cost.read(row))]


def _told(known: Known) -> Known:
    """Rows that want a label: those on the front, then the best of each other method, then a dense one."""
    rivals = _rivals(known)
    is_best = pareto.front([(value, row.mean) for row, value in rivals])
    front = [pair for pair, best in zip(rivals, is_best, strict=True) if best]
    rest = {row.key.method: (row, value) for row, value in reversed(rivals)}
    others = [pair for name, pair in rest.items() if name not in {row.key.method for row, _ in front}]
    return [*front, *reversed(others), *[pair for pair in known if pair[0].key.role == "dense"][:1]]


def _named(row: Row, rows: Sequence[Row]) -> str:
    """A row in as few words as tell it from the others: method, source and sparsity where they differ."""
    rivals = [other for other in rows if other.key.role in RIVALS]
    text = clipped(called(row.key, row.edition), LONGEST)
    if row.key.source and len({other.key.source for other in rivals}) > 1:
        text += f" from {clipped(row.key.source, NAME)}"
    if row.key.sparsity and len({other.key.sparsity for other in rivals}) > 1:
        text += f", {100 * row.key.sparsity:.3g} %"
    return text


def _panel(panel: Any, board: Board, cost: Cost, looks: Mapping[str, Look]) -> None:
    known = _known(board.rows, cost)
    costs = [value for _, value in known]
    axes.amounts(panel, costs, cost.told, max(costs) > WIDE * min(costs))
    panel.set_xlabel(cost.title)
    rivals, right = _rivals(known), panel.get_xlim()[1]
    panel.step(*_steps(rivals, right), where="post", color=INK, linewidth=0.9)
    places, low = _steps(rivals, right, -1)
    panel.fill_between(places, low, _steps(rivals, right, 1)[1], step="post", color=SOFT, alpha=0.14, linewidth=0)
    axes.points(panel, known, looks)


def _steps(rivals: Known, right: float, side: int = 0) -> tuple[list[float], list[float]]:
    """Costs, and the best score up to each, of the means or (side -1, 1) of the ends of their intervals."""
    ends = [(value, min(max(row.mean + side * (row.half or 0), 0.0), 1.0)) for row, value in rivals]
    found = pareto.reached(ends)
    return [*(cost for cost, _ in found), right], [*(score for _, score in found), found[-1][1]]


def _corners(places: Sequence[float], scores: Sequence[float]) -> tuple[list[float], list[float]]:
    """Of the line that goes right to the next place before it rises."""
    x = [places[0], *(place for place in places[1:] for _ in range(2))]
    return x, [*(score for score in scores[:-1] for _ in range(2)), scores[-1]]
