"""Average ranks as a critical-difference diagram (J. Demsar, JMLR 7, 2006, figure 1), with the test that it shows."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bench.boards.facts import called, facts, metric, sentence, until
from bench.boards.figures.canvas import LARGE, LINE, POINTS, SMALL, Figure, clipped
from bench.boards.leaderboard import Board, Row
from bench.boards.look import INK, SOFT
from bench.boards.overall import MAJORITY
from bench.boards.render import setting_of
from bench.numbers import stats

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from bench.boards.comparison import Comparison

NAMELINE = 0.24  # inches from one name to the next
FEWEST = 3
"""Methods from which on ranks are compared; two are compared in pairs."""
TICKS = 12
"""Ranks that are named on the axis at most."""
LONGEST = 40
"""Letters of a method."""

Blocks = Sequence[Mapping[str, float]]
"""Score by method, of jobs that all methods share."""


def figures(board: Board, slug: str) -> Iterator[Figure]:
    """A diagram for every sparsity of a target at which three methods share a job.

    Args:
        board: of transfers.
        slug: of the board.
    """
    for sparsity in sorted({row.key.sparsity for row in board.rows if row.key.role == "ticket"}):
        rows = [row for row in board.rows if row.key.sparsity == sparsity and row.key.role in ("ticket", "native")]
        blocks, left, shown = _blocks(rows)
        if blocks and len(blocks[0]) >= FEWEST:
            place, title = board.place, f"Average ranks on {board.place.task} at sparsity {100 * sparsity:.3g} %"
            setting = f"{metric(board.metric)}, {', '.join(setting_of(place))}"
            lack = [f"{len(left)} more methods lack some of these jobs"] if left else []
            said = facts(place, shown, *clauses(blocks), *lack)
            yield figure(blocks, f"{slug}-{sparsity:g}", f"{title}: {setting}", said)


def compared(found: Comparison) -> Figure:
    """The diagram of three or more names that were compared.

    Args:
        found: with at least one job that all of them share.
    """
    places = [cell.place for cell in found.cells]
    n, *more = clauses(found.blocks)
    settings = sorted({", ".join(setting_of(place)) for place in places})
    tasks = sorted({place.task for place in places})
    title = f"Average ranks by {found.by} on {', '.join(tasks)}: {'; '.join(settings)}"
    return figure(found.blocks, "compared", title, sentence(places, n, until(found.day), *more))


def _blocks(rows: Sequence[Row]) -> tuple[list[dict[str, float]], list[str], list[Row]]:
    """Scores of the jobs that half of the methods have, by those that have all of these; the names of the others; the
    rows that count.
    """
    scores: dict[str, dict[tuple[str, int], float]] = defaultdict(dict)
    of: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        name = called(row.key, row.edition)
        of[name].append(row)
        scores[name] |= {(row.key.source or "", seed): score for seed, score in row.by_seed.items()}
    counts = Counter(job for found in scores.values() for job in found)
    jobs = {job for job, count in counts.items() if count >= MAJORITY * len(scores)}
    whole = sorted(name for name, found in scores.items() if found.keys() >= jobs)
    blocks = [{name: scores[name][job] for name in whole} for job in sorted(jobs)]
    return blocks, sorted(scores.keys() - set(whole)), [row for name in whole for row in of[name]]


def clauses(blocks: Blocks) -> list[str]:
    """The tests, what they say, and whether the jobs are too few for them."""
    methods, apart = len(blocks[0]), stats.critical_difference(len(blocks[0]), len(blocks))
    p = stats.friedman(blocks)
    found = [f"N = {len(blocks)} jobs by source and seed, taken as independent"]
    if p is not None:
        found.append(f"Friedman test (Iman and Davenport): p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}")
    if apart >= methods - 1:
        found.append(
            f"too few jobs: ranks differ by Nemenyi's test from {apart:.2f} on, and can by {methods - 1} at most"
        )
    elif p is None or p >= 1 - stats.LEVEL:
        found.append("which shows no difference, so that none is told apart")
    else:
        found.append("Nemenyi's test at 5 %: bars join what is not told apart")
    return found


def figure(blocks: Blocks, slug: str, title: str, said: str) -> Figure:
    """Methods on an axis of ranks, the best on the left; bars join those that are not told apart.

    Args:
        blocks: scores of at least two methods, the same in every job.
        slug: for the file.
        title: above.
        said: below, `clauses` in it.
    """
    ranks, apart = stats.average_ranks(blocks), stats.critical_difference(len(blocks[0]), len(blocks))
    p = stats.friedman(blocks)
    is_shown = p is not None and p < 1 - stats.LEVEL
    groups = stats.cliques(ranks, apart) if is_shown else [tuple(ranks)]
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
