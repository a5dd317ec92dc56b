"""Boards as static SVG charts: score against sparsity and against training cost, the same bytes for the same rows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.boards import render
from bench.boards.leaderboard import Board, Row
from bench.boards.svg import COLOURS, INK, SOFT, drawn, plain
from bench.numbers.amounts import counted, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "D", "^", "P", "X", "p", "*", "v")
NAMED = 24
"""Methods that a key has room for; the others stand in the tables."""
TOLD, ROOM = 40, 0.2
"""Series that have room to be named by their source, and the share of the height below the points for it."""

ROLES = {"ticket": "filled: from another task", "native": "hollow: native", "random": "small: random control"}
DATA = re.compile(r"data sha256:([0-9a-f]{64})")
MAKER = re.compile(r"<dc:title>(Matplotlib [^<]*)</dc:title>")


def to_svgs(boards: Iterable[Board]) -> dict[str, str]:
    """A chart of every board of transfers that has a complete row, by its slug.

    Raises:
        UserError: matplotlib is not installed.
    """
    boards = tuple(boards)
    named = zip(boards, render.slugs(boards), strict=True)
    return {
        slug: _chart(board, render.heading(board, boards))
        for board, slug in named
        if board.rows and board.place.kind == "transfer"
    }


def is_current(old: str, new: str) -> bool:
    """Whether a chart shows what it should: the same bytes, or the same data drawn by another matplotlib."""
    same_data = [match.group(1) for match in DATA.finditer(old)] == [match.group(1) for match in DATA.finditer(new)]
    return old == new or (same_data and MAKER.findall(old) != MAKER.findall(new))


def _digest(board: Board, heading: str) -> str:
    """Of everything that a chart shows."""
    rows = [
        (render.label(row.key), row.key.method, row.key.role, row.key.sparsity, row.score, row.total_macs)
        for row in board.rows
    ]
    return hashlib.sha256(repr((heading, board.metric, rows)).encode()).hexdigest()


def _chart(board: Board, heading: str) -> str:
    methods = sorted({row.key.method for row in board.rows if row.key.role != "dense"})
    looks = {name: (COLOURS[i % 8], MARKERS[(i + i // 8) % len(MARKERS)]) for i, name in enumerate(methods)}

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        _against_sparsity(left, board, looks)
        _against_cost(right, board, looks)
        for axes in (left, right):
            _finish(axes)
        low, high = left.get_ylim()
        left.set_ylim(low - ROOM * (high - low), high)
        left.set_ylabel(render.METRICS.get(board.metric, board.metric))
        figure.suptitle(plain(heading), fontsize=10, color=INK, x=0.01, ha="left")
        figure.legend(handles=_key(board, looks), loc="outside lower left", ncols=5, frameon=False, fontsize=8)

    return drawn((10, 4.8), draw, f"{heading}; data sha256:{_digest(board, heading)}")


def _series(board: Board) -> list[list[Row]]:
    """Rows that differ in nothing but the sparsity, the best first; without the dense references."""
    found: dict[str, list[Row]] = {}
    for row in board.rows:
        if row.key.role != "dense":
            found.setdefault(render.label(row.key), []).append(row)
    return [sorted(rows, key=lambda row: row.key.sparsity) for rows in found.values()]


def _against_sparsity(axes: Any, board: Board, looks: Mapping[str, tuple[str, str]]) -> None:
    """A place a sparsity, its tickets side by side; dense references as lines."""
    series = _series(board)
    levels = sorted({row.key.sparsity for rows in series for row in rows})
    step = 0.8 / max(len(series), 1)
    recipes = [render.recipe(row.key) for row in board.rows]
    usual = max(sorted(set(recipes)), key=recipes.count)
    for row in (row for row in board.rows if row.key.role == "dense"):
        axes.axhline(row.mean, color=SOFT, linewidth=1, linestyle="--" if row.key.source else "-.")
    for number, rows in enumerate(series):
        shift = (number - (len(series) - 1) / 2) * step
        places = [levels.index(row.key.sparsity) + shift for row in rows]
        _points(axes, rows, places, looks, line=True)
        if len(series) <= TOLD:
            _tell(axes, rows[0], places[0], usual)
    axes.set_xticks(range(len(levels)), [percent(level) for level in levels])
    axes.set_xlim(-0.5, max(len(levels), 1) - 0.5)
    axes.set_xlabel("sparsity (dashed: dense, trained on a source; dash-dotted: from scratch)")


def _tell(axes: Any, row: Row, place: float, usual: str) -> None:
    """Write a row's source, and its recipe where it is not the usual one, below its interval."""
    own = render.recipe(row.key)
    text = f"{row.key.source}" if own == usual else f"{row.key.source}, {own}"
    foot = (place, row.mean - (row.half or 0))
    look = {"rotation": 90, "ha": "center", "va": "top", "fontsize": 6.5, "color": SOFT}
    axes.annotate(plain(text), foot, (0, -4), textcoords="offset points", **look)


def _against_cost(axes: Any, board: Board, looks: Mapping[str, tuple[str, str]]) -> None:
    """Random controls are left out: they cost what their tickets do."""
    groups = [*_series(board), [row for row in board.rows if row.key.role == "dense"]]
    for rows in groups:
        told = [row for row in rows if row.key.role != "random"]
        known = [(row, cost) for row in told if (cost := row.total_macs) is not None]
        _points(axes, [row for row, _ in known], [cost for _, cost in known], looks, line=False)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda value, _: counted(value, "M"))
    axes.set_xlabel("training MACs, drawing included")


def _points(
    axes: Any, rows: Sequence[Row], places: Sequence[float], looks: Mapping[str, tuple[str, str]], line: bool
) -> None:
    """One series with its intervals."""
    if not rows:
        return
    role = rows[0].key.role
    colour, marker = looks.get(rows[0].key.method, (INK, "h")) if role != "dense" else (INK, "h")
    axes.errorbar(
        places,
        [row.mean for row in rows],
        yerr=[row.half or 0 for row in rows],
        color=colour,
        marker=marker,
        markersize=3.5 if role == "random" else 6,
        markerfacecolor="white" if role == "native" else colour,
        linestyle=("dotted" if role == "random" else "solid") if line else "none",
        linewidth=0.8,
        elinewidth=0.8,
        capsize=2,
    )


def _key(board: Board, looks: Mapping[str, tuple[str, str]]) -> list[Any]:
    from matplotlib.lines import Line2D

    named = list(looks.items())[:NAMED]
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", label=plain(name))
        for name, (colour, marker) in named
    ]
    roles = {row.key.role for row in board.rows}
    if "dense" in roles:
        handles.append(Line2D([], [], color=INK, marker="h", linestyle="none", label="dense"))
    words = [text for role, text in ROLES.items() if role in roles]
    if len(looks) > NAMED:
        words.append(f"and {len(looks) - NAMED} more methods")
    return [*handles, *(Line2D([], [], linestyle="none", label=text) for text in words)]


def _finish(axes: Any) -> None:
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axes.tick_params(color=SOFT, labelcolor=INK, length=0)
    axes.grid(axis="y", color="#dde1e6", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
