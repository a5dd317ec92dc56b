"""Axes, marks and keys that all figures share: scores between nothing and all, one look a method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.boards.figures.canvas import EDGE, LETTER, LINE, POINTS, SMALL, clipped, foot, raised
from bench.boards.leaderboard import Row
from bench.boards.look import GRID, INK, PAPER, SOFT, Look
from bench.numbers.stats import Estimate

MARGIN = 0.06
"""Share of what is shown that stays free beside it."""
LONGEST = 40
"""Letters of a method in a key."""
NAMED = 30
"""Methods that a key has room for; the others stand in the tables."""

ROLES = {"ticket": "filled: from another task", "native": "hollow: native", "random": "small: random control"}
DENSE, PLAIN = Look("references", "hexagon"), Look("others", "circle")


def scores(panels: Sequence[Any], values: Iterable[Estimate], title: str, most: float = 1.0) -> None:
    """Scale axes that share their heights to some scores with their intervals, and to what a score can be.

    Args:
        panels: matplotlib's axes, the title goes to the first.
        values: that are shown, as fractions.
        title: of the axis.
        most: that a value can be.
    """
    values = list(values)
    low = min((value.mean - (value.half or 0) for value in values), default=0.0)
    high = max((value.mean + (value.half or 0) for value in values), default=1.0)
    air = MARGIN * (high - low) or MARGIN
    panels[0].set_ylim(max(0.0, low - air), min(most, high + air))
    panels[0].set_ylabel(title)
    for panel in panels:
        bare(panel)
        panel.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")


def bare(panel: Any) -> None:
    """Leave out all lines that say nothing."""
    panel.tick_params(color=SOFT, labelcolor=INK, length=0)
    panel.grid(axis="y", color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)


def amounts(panel: Any, values: Sequence[float], told: Callable[[float], str], is_wide: bool) -> None:
    """Scale an axis to amounts, of which none is below zero.

    Args:
        panel: matplotlib's axes.
        values: positive ones.
        told: an amount in words.
        is_wide: whether it is logarithmic.
    """
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

    low, high = min(values), max(values)
    if is_wide:
        panel.set_xscale("log")
        panel.set_xlim(low / (high / low) ** MARGIN, high * (high / low) ** MARGIN)
        ticks = LogLocator(subs=(1, 2, 5)).tick_values(*panel.get_xlim())
        panel.xaxis.set_major_locator(FixedLocator(ticks[:: max(1, len(ticks) // 6)]))
        panel.xaxis.set_minor_locator(NullLocator())
    else:
        air = MARGIN * (high - low) or MARGIN * high
        panel.set_xlim(max(0.0, low - air), high + air)
        panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.xaxis.set_major_formatter(lambda value, _: told(value))


def points(panel: Any, known: Iterable[tuple[Row, float]], looks: Mapping[str, Look]) -> None:
    """Rows with their intervals, clipped to what a score can be.

    Args:
        panel: matplotlib's axes.
        known: rows and their places.
        looks: of all methods but the dense references.
    """
    alike: dict[tuple[Look, str], list[tuple[Row, float]]] = {}
    for row, place in known:
        look = DENSE if row.key.role == "dense" else looks[row.key.method]
        alike.setdefault((look, row.key.role), []).append((row, place))
    for (look, role), members in alike.items():
        halves = [(row.mean, row.half or 0) for row, _ in members]
        panel.errorbar(
            [place for _, place in members],
            [mean for mean, _ in halves],
            yerr=[[min(half, mean) for mean, half in halves], [max(min(half, 1 - mean), 0) for mean, half in halves]],
            linestyle="none",
            elinewidth=0.6,
            **marked(look, role),
        )


def marked(look: Look, role: str) -> dict[str, Any]:
    """How matplotlib is to draw the marks of a method's rows of one role."""
    return {
        "color": look.colour,
        "marker": look.marker,
        "markersize": 3.2 if role == "random" else 6,
        "markerfacecolor": PAPER if role == "native" else look.colour,
        "markeredgewidth": 0.9,
    }


def key(drawn: Any, looks: Mapping[str, Look], roles: Iterable[str]) -> None:
    """A key of methods and of what kinds of rows look like, below the panels, in as many columns as fit.

    Args:
        drawn: matplotlib's figure.
        looks: of the methods that are shown, in their order.
        roles: of the rows that are shown.
    """
    from matplotlib.lines import Line2D

    roles, named = set(roles), list(looks.items())[:NAMED]
    told = [(clipped(name, LONGEST), marked(look, "ticket")) for name, look in named]
    told += [("dense", marked(DENSE, "dense"))] if "dense" in roles else []
    told += [(text, marked(PLAIN, role)) for role, text in ROLES.items() if role in roles and roles - {role, "dense"}]
    if len(looks) > NAMED:
        told.append((f"and {len(looks) - NAMED} more methods", {}))
    handles = [Line2D([], [], label=text, **{**look, "linestyle": "none"}) for text, look in told]
    width = (max((len(text) for text, _ in told), default=1) + 5) * SMALL * LETTER / POINTS
    columns = max(1, min(len(handles), int(drawn.get_figwidth() / width)))
    base = foot(drawn)
    raised(drawn, math.ceil(len(handles) / columns) * SMALL * LINE + EDGE)
    drawn.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, base),
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        handletextpad=0.3,
        borderpad=0,
        borderaxespad=0,
        labelspacing=LINE - 1,
    )
