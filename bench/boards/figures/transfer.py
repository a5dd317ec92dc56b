"""Source x target maps: what every method's tickets score where, and what two methods differ in."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.boards import look
from bench.boards.facts import called, counted, facts, sentence, until
from bench.boards.figures.canvas import POINTS, SMALL, USUAL, Figure, clipped
from bench.boards.leaderboard import Board, Row
from bench.boards.overall import newest
from bench.boards.render import setting_of
from bench.boards.result import Place
from bench.numbers import stats
from bench.numbers.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from bench.boards.comparison import Comparison

WIDTH, HEIGHT = 0.98, 0.52
"""Inches of a cell."""
NAME = 15
"""Letters of a task beside a map; above one, as many as a cell is wide."""
SIDE, HEAD, BELOW = 1.15, 0.42, 0.16
"""Inches of the sources' names, of a map's head, and between maps."""
BROAD = 0.62
"""Width of a letter over its height, as broad as names in small letters get."""
SPREAD = 0.2
"""Shares of the dense score that differ by this much or more take the whole range of grounds."""
PALEST, DEEPEST = 0.06, 0.9
"""Of the colour, that the least and the greatest share have."""
ACROSS = 8.6
"""Inches that maps take beside one another before they go to the next line."""

Cells = dict[tuple[str, str], Row]
"""A method's rows by source and target."""


@dataclass(frozen=True)
class Shown:
    """One cell of a map.

    Args:
        text: value above its interval.
        ground: its colour.
        is_native: whether source and target are the same task.
    """

    text: str
    ground: str
    is_native: bool


@dataclass(frozen=True)
class Setting:
    """Boards that differ in nothing but their target, and their tickets of one sparsity.

    Args:
        place: what they have in common, its task and data "".
        slug: of the setting and sparsity, for files.
        sparsity: of the tickets.
        methods: cells by method, the best first; a method without any transfer from another task is left out.
        dense: the references' cells, trained on the source and finetuned.
    """

    place: Place
    slug: str
    sparsity: float
    methods: Mapping[str, Cells]
    dense: Cells

    @property
    def tasks(self) -> tuple[list[str], list[str]]:
        """Sources and targets in the order of their names."""
        pairs = [pair for cells in self.methods.values() for pair in cells]
        return sorted({source for source, _ in pairs}), sorted({target for _, target in pairs})

    @property
    def title(self) -> str:
        """Sparsity and what the boards have in common."""
        return f"sparsity {100 * self.sparsity:.3g} %, {', '.join(setting_of(self.place))}"


def settings(boards: Iterable[Board], slugs: Iterable[str]) -> Iterator[Setting]:
    """All that a map can be drawn of: at least two targets and a ticket that went from one task to another.

    Args:
        boards: all there are; of several of one target the newest counts.
        slugs: theirs.
    """
    alike: dict[Place, dict[str, tuple[Board, str]]] = defaultdict(dict)
    known = [(board, slug) for board, slug in zip(boards, slugs, strict=True) if board.rows]
    for board, slug in sorted(known, key=lambda pair: newest(pair[0])):
        if board.place.kind == "transfer":
            alike[replace(board.place, task="", data="")][board.place.task] = (board, slug)
    for place, members in sorted(alike.items()):
        rows = [row for _, (board, _) in sorted(members.items()) for row in board.rows if row.key.source]
        dense = {(row.key.source or "", row.key.target or ""): row for row in rows if _is_reference(row)}
        for sparsity in sorted({row.key.sparsity for row in rows if row.key.role == "ticket"}):
            methods = _methods(row for row in rows if row.key.sparsity == sparsity)
            if len({target for cells in methods.values() for _, target in cells}) > 1:
                name = min(slug.removeprefix(_slugged(task)) for task, (_, slug) in members.items())
                yield Setting(place, f"{name.strip('-')}-{sparsity:g}", sparsity, methods, dense)


def _slugged(task: str) -> str:
    return task.replace("/", "-")


def _is_reference(row: Row) -> bool:
    return row.key.role == "dense" and row.key.recipe == "finetune" and row.key.transform is None


def _methods(rows: Iterable[Row]) -> dict[str, Cells]:
    found: dict[str, Cells] = defaultdict(dict)
    for row in rows:
        if row.key.role in ("ticket", "native"):
            found[called(row.key, row.edition)].setdefault((row.key.source or "", row.key.target or ""), row)
    told = {name: cells for name, cells in found.items() if any(source != target for source, target in cells)}
    best = sorted(told, key=lambda name: (-len(told[name]), -stats.mean([r.mean for r in told[name].values()]), name))
    return {name: told[name] for name in best}


def scores(setting: Setting) -> Figure:
    """A map a method and one of the dense references: scores, coloured by their share of the dense reference's."""
    rows = [row for cells in setting.methods.values() for row in cells.values()]
    of = "of_dense" if any(row.of_dense is not None for row in rows) else "of_scratch"
    share = {name: {pair: getattr(row, of) for pair, row in cells.items()} for name, cells in setting.methods.items()}
    known = [value for cells in share.values() for value in cells.values() if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    reading = ["score in % ± half the 95 % t-interval", "framed: drawn on the target itself"]
    if known:
        high = max(high, low + SPREAD)
        dense = "the dense score" if of == "of_dense" else "that of the dense host trained on the target alone"
        reading.append(f"ground: share of {dense}, the palest {100 * low:.0f} %, the deepest {100 * high:.0f} %")
    maps = {
        name: {pair: _scored(row, share[name][pair], low, high) for pair, row in cells.items()}
        for name, cells in setting.methods.items()
    }
    references = {pair: _scored(row, None, low, high) for pair, row in setting.dense.items()}
    title = f"Scores by source and target: {setting.title}"
    told = {**({"dense, sparsity 0": references} if references else {}), **maps}
    return _figure("transfer", setting.slug, setting.tasks, title, facts(setting.place, rows, *reading), told)


def _scored(row: Row, share: float | None, low: float, high: float) -> Shown:
    part = None if share is None else PALEST + (DEEPEST - PALEST) * (share - low) / (high - low)
    ground = look.PAPER if part is None else look.of_share(part)
    half = "" if row.half is None else f"\n±{100 * row.half:.1f}"
    return Shown(f"{100 * row.mean:.1f}{half}", ground, row.key.is_native)


def differences(setting: Setting) -> Figure | None:
    """The method that has most and scores best minus each other one; None where there is no other."""
    names = list(setting.methods)
    if len(names) < 2:
        return None
    best, others = names[0], names[1:]
    found = {name: _paired(setting.methods[best], setting.methods[name]) for name in others}
    title = f"{best} minus each other method, in points: {setting.title}"
    rows = [row for cells in setting.methods.values() for row in cells.values()]
    said = facts(setting.place, rows, *READING)
    return _figure("difference", setting.slug, setting.tasks, title, said, drawn_of(found))


def compared(found: Comparison) -> Figure:
    """The first of two names minus the other, a map for all jobs that differ in nothing but source and target.

    Args:
        found: of two names with a job in common.
    """
    first, second = found.names
    maps: dict[str, dict[tuple[str, str], Estimate]] = defaultdict(dict)
    for one in found.differences[second]:
        cell = one.cell
        parts = [cell.method, cell.recipe, "head kept" if cell.head == "keep" else "", f"{100 * cell.sparsity:.3g} %"]
        name = ", ".join(part for part in (*parts, *setting_of(cell.place)) if part)
        maps[name][cell.source, cell.place.task] = one.estimate
    pairs = [pair for cells in maps.values() for pair in cells]
    n = counted(one.estimate.n for one in found.differences[second])
    said = sentence({one.cell.place for one in found.differences[second]}, n, until(found.day), *READING)
    tasks = (sorted({source for source, _ in pairs}), sorted({target for _, target in pairs}))
    return _figure("difference", "compared", tasks, f"{first} minus {second}, in points", said, drawn_of(maps))


READING = ("differences paired by seed ± half the 95 % t-interval", "pale: undecided, the interval holds zero",
           "blue: the first is better, orange: the other")  # fmt: skip


def drawn_of(found: Mapping[str, Mapping[tuple[str, str], Estimate]]) -> dict[str, dict[tuple[str, str], Shown]]:
    """Maps of differences by source and target, one scale of colours for all."""
    largest = max((abs(value.mean) for cells in found.values() for value in cells.values()), default=0.0)
    return {
        name: {pair: _differing(pair, one, largest) for pair, one in cells.items()} for name, cells in found.items()
    }


def _differing(pair: tuple[str, str], value: Estimate, largest: float) -> Shown:
    half = "" if value.half is None else f"\n±{100 * value.half:.1f}"
    ground = look.of_difference(value.mean, largest, value.is_decided)
    return Shown(f"{round(100 * value.mean, 1) + 0:+.1f}{half}", ground, pair[0] == pair[1])


def _paired(one: Cells, other: Cells) -> dict[tuple[str, str], Estimate]:
    both = {pair: stats.paired(one[pair].by_seed, other[pair].by_seed) for pair in one if pair in other}
    return {pair: value for pair, value in both.items() if value is not None}


def _figure(
    name: str,
    slug: str,
    tasks: tuple[list[str], list[str]],
    title: str,
    told: str,
    maps: Mapping[str, Mapping[tuple[str, str], Shown]],
) -> Figure:
    sources, targets = tasks
    wide, high = SIDE + WIDTH * len(targets) + BELOW, HEAD + 0.3 + HEIGHT * len(sources) + BELOW
    across = max(1, min(len(maps), int(ACROSS / wide)))
    down = math.ceil(len(maps) / across)
    return Figure(
        name=name,
        slug=slug,
        title=title,
        facts=told,
        size=(max(wide * across, 5.5), high * down + 1.1),
        draw=lambda drawn: _draw(drawn, maps, sources, targets, across, down),
        shown=[(method, sorted((pair, cell) for pair, cell in cells.items())) for method, cells in maps.items()],
    )


def _draw(
    drawn: Drawing,
    maps: Mapping[str, Mapping[tuple[str, str], Shown]],
    sources: Sequence[str],
    targets: Sequence[str],
    across: int,
    down: int,
) -> None:
    panels = drawn.subplots(down, across, squeeze=False).flatten()
    for panel in panels[len(maps) :]:
        panel.set_axis_off()
    letters = int((drawn.get_figwidth() / across - SIDE) * POINTS / USUAL / BROAD)
    for panel, (name, cells) in zip(panels, maps.items(), strict=False):
        panel.set_title(clipped(name, letters), fontsize=USUAL, loc="left", color=look.INK, pad=16)
        panel.set_xlim(0, len(targets))
        panel.set_ylim(len(sources), 0)
        panel.xaxis.tick_top()
        panel.set_xticks([i + 0.5 for i in range(len(targets))], [clipped(t, NAME) for t in targets], fontsize=SMALL)
        panel.set_yticks([i + 0.5 for i in range(len(sources))], [clipped(s, NAME) for s in sources], fontsize=SMALL)
        panel.tick_params(length=0, pad=2, labelcolor=look.INK)
        panel.spines[:].set_visible(False)
        for row, source in enumerate(sources):
            for column, target in enumerate(targets):
                _cell(panel, column, row, cells.get((source, target)))


def _cell(panel: Any, x: int, y: int, shown: Shown | None) -> None:
    from matplotlib.patches import Rectangle

    place = ((x + 0.03, y + 0.04), 0.94, 0.92)
    if shown is None:
        panel.add_patch(Rectangle(*place, fill=False, edgecolor=look.GRID, linewidth=0.6))
        return
    edge, width = (look.INK, 1.2) if shown.is_native else (look.GRID, 0.6)
    panel.add_patch(Rectangle(*place, facecolor=shown.ground, edgecolor=edge, linewidth=width))
    ink = look.ink_on(shown.ground)
    panel.text(x + 0.5, y + 0.5, shown.text, ha="center", va="center", fontsize=SMALL, color=ink, linespacing=1.1)
