"""Source x target maps: what every method's tickets score where, and what two methods differ in."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.boards import look
from bench.boards.facts import called, counted, facts, sentence, until
from bench.boards.figures.canvas import POINTS, SMALL, USUAL, Figure, clipped, framed, printable
from bench.boards.leaderboard import Board, Row
from bench.boards.overall import newest
from bench.boards.result import Place
from bench.boards.words import setting_of
from bench.numbers import stats
from bench.numbers.stats import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from bench.boards.comparison import Comparison

WIDTH, HEIGHT = 0.56, 0.36
"""Inches of a cell."""
NAME = 15
"""Letters of a task beside a map; above one, as many as a cell is wide, in two lines."""
SIDE, ABOVE, HEAD, BELOW = 1.0, 0.32, 0.34, 0.16
"""Inches of the sources' names, of the targets' names, of a map's own name, and between maps."""
LONGEST, SLACK = 60, 4
"""Letters of a map's name, and what a line of half of them has more, since it breaks behind a sign."""
BROAD = 0.62
"""Width of a letter over its height, as broad as names in small letters get."""
SPREAD = 0.2
"""Shares of the dense score that differ by this much or more take the whole range of grounds."""
PALEST, DEEPEST = 0.06, 0.9
"""Of the colour, that the least and the greatest share have."""
LEAST, ACROSS, HIGHEST = 5.5, 8.6, 9.0
"""Inches that a figure is wide at least and at most before maps go to the next line, and high before they go to the
next figure."""

JOINS = re.compile(r"[/@=_,:-]+ ?")
"""Signs behind which a name may go on in the next line."""

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


Maps = Mapping[str, Mapping[tuple[str, str], Shown]]
"""By name the cells of a map."""


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


def scores(setting: Setting) -> list[Figure]:
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
    return _figures("transfer", setting.slug, setting.tasks, title, facts(setting.place, rows, *reading), told)


def _scored(row: Row, share: float | None, low: float, high: float) -> Shown:
    part = None if share is None else PALEST + (DEEPEST - PALEST) * (share - low) / (high - low)
    ground = look.PAPER if part is None else look.of_share(part)
    half = "" if row.half is None else f"\n±{100 * row.half:.1f}"
    return Shown(f"{100 * row.mean:.1f}{half}", ground, row.key.is_native)


def differences(setting: Setting) -> list[Figure]:
    """The method that has most and scores best minus each other one; none where there is no other."""
    names = list(setting.methods)
    if len(names) < 2:
        return []
    best, others = names[0], names[1:]
    found = {name: _paired(setting.methods[best], setting.methods[name]) for name in others}
    title = f"{best} minus each other method, in points: {setting.title}"
    rows = [row for cells in setting.methods.values() for row in cells.values()]
    said = facts(setting.place, rows, *READING)
    return _figures("difference", setting.slug, setting.tasks, title, said, drawn_of(found))


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


def drawn_of(found: Mapping[str, Mapping[tuple[str, str], Estimate]]) -> Maps:
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


def _figures(
    name: str, slug: str, tasks: tuple[list[str], list[str]], title: str, told: str, maps: Maps
) -> list[Figure]:
    """As many figures as it takes for none to be higher than `HIGHEST`, if a line of maps is not."""
    across = _across(len(maps), _wide(maps, len(tasks[1])))
    least = _figure(name, slug, tasks, title, told, dict(list(maps.items())[:1])).size[1]
    down = 1 + max(int((HIGHEST - least) / _high(len(tasks[0]))), 0)
    count = math.ceil(len(maps) / (across * down))
    each = across * math.ceil(len(maps) / across / count)
    parts = [dict(list(maps.items())[start : start + each]) for start in range(0, len(maps), each)]
    if len(parts) == 1:
        return [_figure(name, slug, tasks, title, told, maps)]
    return [
        _figure(name, f"{slug}-{number}of{len(parts)}", tasks, f"{title} ({number} of {len(parts)})", told, part)
        for number, part in enumerate(parts, 1)
    ]


def _wide(maps: Iterable[str], targets: int) -> float:
    """Inches of a map: as many as its cells take, or the longest name in two lines."""
    letters = min(max(map(len, maps)), LONGEST) / 2 + SLACK
    return max(WIDTH * targets, letters * USUAL * BROAD / POINTS)


def _across(maps: int, wide: float) -> int:
    """How many maps there is room for beside one another; more than there are where the figure would be too narrow."""
    each = wide + BELOW
    return max(1, min(max(maps, math.ceil((LEAST - SIDE) / each)), int((ACROSS - SIDE) / each)))


def _high(sources: int) -> float:
    """Inches of a line of maps."""
    return HEAD + HEIGHT * sources + BELOW


def _figure(name: str, slug: str, tasks: tuple[list[str], list[str]], title: str, told: str, maps: Maps) -> Figure:
    sources, targets = tasks
    wide = _wide(maps, len(targets))
    across = _across(len(maps), wide)
    down = math.ceil(len(maps) / across)
    width = max(SIDE + across * (wide + BELOW), LEAST)
    return Figure(
        name=name,
        slug=slug,
        title=title,
        facts=told,
        size=(width, framed(title, told, width) + ABOVE + down * _high(len(sources))),
        draw=lambda drawn: _draw(drawn, maps, tasks, across, wide),
        shown=[(method, sorted((pair, cell) for pair, cell in cells.items())) for method, cells in maps.items()],
    )


def _draw(drawn: Drawing, maps: Maps, tasks: tuple[list[str], list[str]], across: int, wide: float) -> None:
    """Maps in lines; names of sources stand beside the first ones, names of targets above those of the first line."""
    sources, targets = tasks
    panels = drawn.subplots(math.ceil(len(maps) / across), across, squeeze=False)
    for panel in panels.flatten()[len(maps) :]:
        panel.set_axis_off()
    letters = int(wide * POINTS / USUAL / BROAD)
    for place, (name, cells) in enumerate(maps.items()):
        line, column = divmod(place, across)
        panel = panels[line, column]
        panel.set_title(parted(name, letters), fontsize=USUAL, loc="left", color=look.INK, pad=4)
        panel.set_xlim(0, len(targets))
        panel.set_ylim(len(sources), 0)
        panel.xaxis.tick_top()
        above = (
            [] if line else [parted(target, int(wide / len(targets) * POINTS / SMALL / BROAD)) for target in targets]
        )
        beside = [] if column else [clipped(source, NAME) for source in sources]
        panel.set_xticks([i + 0.5 for i in range(len(above))], above, fontsize=SMALL)
        panel.set_yticks([i + 0.5 for i in range(len(beside))], beside, fontsize=SMALL)
        panel.tick_params(length=0, pad=2, labelcolor=look.INK)
        panel.spines[:].set_visible(False)
        for row, source in enumerate(sources):
            for at, target in enumerate(targets):
                _cell(panel, at, row, cells.get((source, target)))


def parted(text: str, letters: int) -> str:
    """A name in two lines of so many letters at most, parted behind a sign that joins its parts where there is one.

    Example:
        >>> parted("seg/figures", 8), parted("omp", 8), parted("imp@rounds=3", 9), parted("supertickets", 8)
        ('seg/\\nfigures', 'omp', 'imp@\\nrounds=3', 'supertic\\nkets')
    """
    text = printable(text)
    if len(text) <= letters:
        return text
    ends = [match.end() for match in JOINS.finditer(text[:letters])]
    fitting = [end for end in ends if len(text) - end <= letters] or ends[-1:] or [letters]
    even = min(fitting, key=lambda end: abs(len(text) - 2 * end))
    return f"{text[:even].rstrip()}\n{clipped(text[even:], letters)}"


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
