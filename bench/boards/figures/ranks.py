"""Average ranks as a critical-difference diagram (J. Demsar, JMLR 7, 2006, figure 1), with the test that it shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bench.boards import ranking
from bench.boards.facts import sentence, until
from bench.boards.figures.canvas import LARGE, LINE, POINTS, SMALL, Figure, clipped
from bench.boards.leaderboard import Board
from bench.boards.look import INK, SOFT
from bench.boards.ranking import Ranking
from bench.boards.words import setting_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from bench.boards.comparison import Comparison

NAMELINE = 0.24  # inches from one name to the next
TICKS = 12
"""Ranks that are named on the axis at most."""
LONGEST = 40
"""Letters of a method."""


def figures(board: Board, slug: str) -> Iterator[Figure]:
    """A diagram for every sparsity of a target at which three methods share a job.

    Args:
        board: of transfers.
        slug: of the board.
    """
    for one in ranking.of_board(board):
        yield figure(one.ranking, f"{slug}-{one.sparsity:g}", one.title, one.said)


def compared(found: Comparison) -> Figure:
    """The diagram of three or more names that were compared.

    Args:
        found: with at least one job that all of them share.
    """
    places, ranked = [cell.place for cell in found.cells], Ranking(found.blocks)
    n, *more = ranked.clauses
    settings = sorted({", ".join(setting_of(place)) for place in places})
    tasks = sorted({place.task for place in places})
    title = f"Average ranks by {found.by} on {', '.join(tasks)}: {'; '.join(settings)}"
    return figure(ranked, "compared", title, sentence(places, n, until(found.day), *more))


def figure(ranked: Ranking, slug: str, title: str, said: str) -> Figure:
    """Methods on an axis of ranks, the best on the left; bars join those that are not told apart.

    Args:
        ranked: two methods or more.
        slug: for the file.
        title: above.
        said: below, the ranking's clauses in it.
    """
    ranks, apart, groups = ranked.ranks, ranked.apart, ranked.groups
    rows = math.ceil(len(ranks) / 2)
    below = len(said) / 110 * SMALL * LINE / POINTS
    return Figure(
        name="ranks",
        slug=slug,
        title=title,
        facts=said,
        size=(8.4, NAMELINE * (rows + 0.5 * len(groups) + 4) + LARGE / POINTS + below + 0.5),
        draw=lambda drawn: _draw(drawn, ranks, apart, groups),
        shown=(ranks, apart, groups),
    )


def _draw(drawn: Drawing, ranks: Mapping[str, float], apart: float, groups: Sequence[Sequence[str]]) -> None:
    axes = drawn.subplots()
    axes.set_axis_off()
    low, high, rows = 1.0, float(len(ranks)), math.ceil(len(ranks) / 2)
    margin = 0.8 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(-(len(groups) * 0.5 + rows + 0.4), 2.4)
    axes.plot([low, high], [0, 0], color=INK, linewidth=1)
    for tick in range(1, len(ranks) + 1, math.ceil(len(ranks) / TICKS)):
        axes.plot([tick, tick], [0, 0.16], color=INK, linewidth=1)
        axes.text(tick, 0.25, str(tick), ha="center", va="bottom", color=INK)
    axes.plot([low, min(low + apart, high + margin)], [1.3, 1.3], color=SOFT, linewidth=2, solid_capstyle="butt")
    axes.text(low, 1.45, f"critical difference {apart:.2f}", va="bottom", color=SOFT, fontsize=SMALL)
    for number, members in enumerate(groups):
        ends = [ranks[members[0]] - 0.02 * (high - low), ranks[members[-1]] + 0.02 * (high - low)]
        axes.plot(ends, [-(0.4 + 0.5 * number)] * 2, color=INK, linewidth=3, solid_capstyle="butt")
    top = -(len(groups) * 0.5 + 0.6)
    for number, (name, rank) in enumerate(ranks.items()):
        is_left = number < rows
        height = top - (number if is_left else len(ranks) - 1 - number)
        end, side = (low - 0.05 * margin, "right") if is_left else (high + 0.05 * margin, "left")
        axes.plot([rank, rank, end], [0, height, height], color=SOFT, linewidth=0.8)
        shown = clipped(name, LONGEST)
        gap = -0.015 * (high - low) if is_left else 0.015 * (high - low)
        axes.text(end + gap, height, f"{shown} ({rank:.2f})", ha=side, va="center", color=INK, fontsize=SMALL)
