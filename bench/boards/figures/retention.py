"""What is left of the dense score over sparsity: a line a method, a band for its intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.boards.facts import called, facts
from bench.boards.figures import axes, labels
from bench.boards.figures.canvas import USUAL, Figure, clipped
from bench.boards.leaderboard import Board, Row
from bench.boards.look import INK, Look
from bench.boards.words import heading
from bench.numbers import stats
from bench.numbers.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

MOST = 10.0
"""A share of the dense score that no axis goes beyond."""
LONGEST = 36
"""Letters of a label."""

Series = list[tuple[Row, Estimate]]
"""Rows that differ in nothing but the sparsity, ascending, each with its share of the dense score."""


def figure(board: Board, boards: Sequence[Board], slug: str, looks: Mapping[str, Look]) -> Figure | None:
    """The retention of a board; None where no method has two sparsities and a dense reference.

    Args:
        board: of transfers.
        boards: all there are, which tell how it must be called.
        slug: of the board.
        looks: of all methods.
    """
    series = _series(board.rows)
    if not series:
        return None
    sources = sorted({part[0][0].key.source or "" for part in series})
    rows = [row for part in series for row, _ in part]
    reading = ("shares of the dense host's score, seed by seed", "bands: 95 % t-intervals", "dotted: random")
    return Figure(
        name="retention",
        slug=slug,
        title=f"Share of the dense score. {heading(board, boards)}",
        facts=facts(board.place, rows, *reading[: 2 + any(row.key.role == "random" for row in rows)]),
        size=(max(3.0 * len(sources) + 0.6, 6.6), 4.2),
        draw=lambda drawn: _draw(drawn, series, sources, looks),
        shown=[
            (called(row.key, row.edition), row.key.source, row.key.sparsity, share)
            for part in series
            for row, share in part
        ],
    )


def _series(rows: Iterable[Row]) -> list[Series]:
    """All series of at least two sparsities, by source, the best at their least sparsity first."""
    rows = list(rows)
    dense = {_trained(row): row.by_seed for row in rows if row.key.role == "dense" and row.key.transform is None}
    found: dict[tuple[str, str, str], Series] = {}
    for row in rows:
        reference = dense.get(_trained(row)) or dense.get((None, "scratch", "fresh"))
        share = _share(row.by_seed, reference or {})
        if row.key.role in ("ticket", "native", "random") and share:
            name = (row.key.source or "", called(row.key, row.edition), row.key.origin)
            found.setdefault(name, []).append((row, share))
    series = [sorted(part, key=lambda pair: pair[0].key.sparsity) for part in found.values()]
    whole = [part for part in series if len({row.key.sparsity for row, _ in part}) > 1]
    return sorted(whole, key=lambda part: (part[0][0].key.source or "", -part[0][1].mean, part[0][0].key.name))


def _trained(row: Row) -> tuple[str | None, str, str]:
    """What a ticket and its dense reference have in common: a recipe of the ticket's own counts as finetuning."""
    scratch = row.key.source is None
    return row.key.source, "scratch" if scratch else "finetune", row.key.head or "fresh"


def _share(own: Mapping[int, float], dense: Mapping[int, float]) -> Estimate | None:
    """The mean share over the seeds that both have."""
    seeds = [seed for seed in sorted(own.keys() & dense.keys()) if dense[seed]]
    return stats.estimate([own[seed] / dense[seed] for seed in seeds]) if seeds else None


def _draw(drawn: Drawing, series: Sequence[Series], sources: Sequence[str], looks: Mapping[str, Look]) -> None:
    panels = dict(zip(sources, drawn.subplots(1, len(sources), sharey=True, squeeze=False)[0], strict=True))
    for source, panel in panels.items():
        own = [part for part in series if part[0][0].key.source == source]
        _panel(panel, source, own, looks)
    shares = [share for part in series for _, share in part] + [Estimate(1.0, None, 1)]
    axes.scores(list(panels.values()), shares, "share of the dense score", MOST)
    shown = [row.key for part in series for row, _ in part]
    axes.key(drawn, {name: looks[name] for name in sorted({key.method for key in shown})}, {key.role for key in shown})
    wanted, lines = [], []
    for part in series:
        row, share = part[-1]
        x, y = _line(part)
        panel = panels[row.key.source or ""]
        if row.key.role != "random":
            wanted.append(labels.Label(panel, x[-1], share.mean, clipped(called(row.key, row.edition), LONGEST)))
        lines.append((panel, x, y))
    labels.place(drawn, wanted, lines, lines)


def _line(part: Series) -> tuple[list[float], list[float]]:
    """Remaining weights and shares of a series."""
    return [1 - row.key.sparsity for row, _ in part], [share.mean for _, share in part]


def _panel(panel: Any, source: str, series: Sequence[Series], looks: Mapping[str, Look]) -> None:
    """The series of one source over what remains, on a logarithmic axis, since halving is what costs."""
    from matplotlib.ticker import FixedLocator, NullLocator

    panel.axhline(1, color=INK, linewidth=0.9, linestyle="--")
    for part in series:
        (row, _), (x, y) = part[0], _line(part)
        look, role = looks[row.key.method], row.key.role
        low = [max(share.mean - (share.half or 0), 0.0) for _, share in part]
        high = [share.mean + (share.half or 0) for _, share in part]
        if role != "random":
            panel.fill_between(x, low, high, color=look.colour, alpha=0.12, linewidth=0)
        style = {"linestyle": "dotted" if role == "random" else "solid", "linewidth": 1.2}
        panel.plot(x, y, **{**axes.marked(look, role), **style})
    levels = sorted({row.key.sparsity for part in series for row, _ in part})
    panel.set_xscale("log")
    left, right = 1 - levels[0], 1 - levels[-1]
    panel.set_xlim(left * (left / right) ** 0.08, right / (left / right) ** 0.45)
    panel.xaxis.set_major_locator(FixedLocator([1 - level for level in levels]))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(lambda value, _: f"{100 * (1 - value):.3g} %")
    panel.set_xlabel("sparsity")
    panel.set_title(f"drawn on {clipped(source, 24)}", loc="left", fontsize=USUAL, color=INK)
