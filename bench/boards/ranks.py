"""Average ranks as a critical-difference diagram (J. Demsar, JMLR 7, 2006, figure 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bench.boards.svg import INK, SOFT, drawn, plain
from bench.numbers import stats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = 0.26  # inches from one name to the next


def to_svg(ranks: Mapping[str, float], cells: int) -> str:
    """Methods on an axis of ranks, the best on the left; bars join those that are not told apart.

    Args:
        ranks: average ranks, the best first; at least two methods.
        cells: over how many jobs.

    Raises:
        UserError: matplotlib is not installed.
    """
    apart = stats.critical_difference(len(ranks), cells)
    groups = stats.cliques(ranks, apart)
    rows = math.ceil(len(ranks) / 2)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_axis_off()
        low, high = 1.0, float(len(ranks))
        margin = 0.8 * (high - low)
        axes.set_xlim(low - margin, high + margin)
        floor = -(len(groups) * 0.35 + rows + 0.4)
        axes.set_ylim(floor, 2.2)
        axes.plot([low, high], [0, 0], color=INK, linewidth=1)
        for tick in range(1, len(ranks) + 1):
            axes.plot([tick, tick], [0, 0.16], color=INK, linewidth=1)
            axes.text(tick, 0.25, str(tick), ha="center", va="bottom", color=INK)
        axes.plot([low, min(low + apart, high + margin)], [1.3, 1.3], color=SOFT, linewidth=2, solid_capstyle="butt")
        axes.text(low, 1.45, f"critical difference {apart:.2f} ({cells} jobs)", va="bottom", color=SOFT)
        for number, members in enumerate(groups):
            ends = [ranks[members[0]] - 0.02 * (high - low), ranks[members[-1]] + 0.02 * (high - low)]
            axes.plot(ends, [-(0.3 + 0.35 * number)] * 2, color=INK, linewidth=3.5, solid_capstyle="butt")
        top = -(len(groups) * 0.35 + 0.6)
        for number, (name, rank) in enumerate(ranks.items()):
            is_left = number < rows
            height = top - (number if is_left else len(ranks) - 1 - number)
            end, side = (low - 0.05 * margin, "right") if is_left else (high + 0.05 * margin, "left")
            axes.plot([rank, rank, end], [0, height, height], color=SOFT, linewidth=0.8)
            shown = f"{name} ({rank:.2f}) " if is_left else f" {name} ({rank:.2f})"
            axes.text(end, height, plain(shown), ha=side, va="center", color=INK)

    size = (8.0, LINE * (rows + 0.35 * len(groups) + 3.4))
    return drawn(size, draw, f"average ranks over {cells} jobs: {', '.join(f'{m} {r:.2f}' for m, r in ranks.items())}")
