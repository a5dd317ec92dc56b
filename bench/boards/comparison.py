"""Methods compared over the jobs that they share: what is asked for, the numbers, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

from bench.boards import pairing
from bench.boards.pairing import CLUSTERS, Cell, Difference, Scores
from bench.boards.words import setting_of
from bench.numbers import aligned, stats
from bench.numbers.amounts import MISSING
from bench.records.record import Record
from tasks import TASKS
from tickets.errors import UserError, unknown

if TYPE_CHECKING:
    import pandas

HEADER = ("cell", "seeds", "first", "second", "difference", "signed-rank p", "seeds for a point")
EXAMPLES = {"recipe": "finetune scratch", "origin": "transferred native", "members": "together best mean"}


@dataclass(frozen=True, repr=False)
class Comparison:
    """The first of some names against each of the others.

    Args:
        by: what they are: "method", "recipe", "origin" or "members".
        names: at least two.
        cells: scores of what is compared by seed, of jobs that share everything else.
        around: those of everything in these cells, which tells what a method lacks; empty where that is not asked.
        day: of the newest record that was read.
    """

    by: str
    names: tuple[str, ...]
    cells: dict[Cell, Scores]
    around: Mapping[Cell, Scores] = field(default_factory=dict)
    day: str = ""

    @cached_property
    def differences(self) -> dict[str, list[Difference]]:
        """By each other name, the first minus it in every cell where they share a seed."""
        return {other: pairing.differences(self.cells, self.names[0], other) for other in self.names[1:]}

    @cached_property
    def pooled(self) -> dict[str, stats.Pooled]:
        """By each other name that shares a job, all differences together, as fractions of 1."""
        return {other: pairing.pooled(found, self.by) for other, found in self.differences.items() if found}

    @cached_property
    def ranks(self) -> tuple[dict[str, float], int]:
        """Average ranks over the jobs that all share, and how many those are; of two there are none."""
        return (stats.average_ranks(self.blocks) if self.blocks else {}), len(self.blocks)

    @cached_property
    def blocks(self) -> list[dict[str, float]]:
        """Scores by name, of the jobs and seeds that all share; of two names there are none."""
        return pairing.shared(self.cells) if len(self.names) > 2 else []

    def verdict(self, other: str) -> str:
        """Which of the two the pooled interval favours, or that it is undecided."""
        if other not in self.pooled:
            return "no job in common"
        return verdict(self.pooled[other].mean, self.pooled[other].is_decided, self.names[0], other)

    def to_pandas(self) -> pandas.DataFrame:
        """A row a job and seed: the first's score, the other's and the difference, as fractions."""
        import pandas

        rows = [
            (one.cell.source, one.cell.place.task, one.cell.method, one.cell.recipe, one.cell.sparsity, self.names[0],
             other, seed, self.cells[one.cell][self.names[0]][seed], self.cells[one.cell][other][seed], difference)
            for other, found in self.differences.items() for one in found for seed, difference in one.by_seed.items()
        ]  # fmt: skip
        columns = ["source", "target", "method", "recipe", "sparsity", "first", "second", "seed", "first_score",
                   "second_score", "difference"]  # fmt: skip
        kinds = {**dict.fromkeys(columns, "string"), **dict.fromkeys(columns[-3:], "float64")}
        return pandas.DataFrame(rows, columns=columns).astype({**kinds, "sparsity": "float64", "seed": "Int64"})

    @cached_property
    def sections(self) -> list[Section]:
        """What is said, a table a pair, and one of ranks where there are more than two names."""
        found = [self._pair(other) for other in self.names[1:]]
        return [*found, _ranking(self.by, *self.ranks)] if len(self.names) > 2 else found

    def __repr__(self) -> str:
        return "\n".join(section.text for section in self.sections)

    def _repr_html_(self) -> str:
        return "".join(section.html for section in self.sections)

    def show(self) -> None:
        """Print all of it: rich tables in a terminal, aligned text when piped."""
        for section in self.sections:
            if section.rows:
                aligned.show(section.title, section.header, section.rows)
            print(section.note)

    def _pair(self, other: str) -> Section:
        found, left = self.differences[other], self.names[0]
        if not found:
            return Section(f"{left} and {other} share no seed of a job.\n")
        settings = {one.cell.place: ", ".join(setting_of(one.cell.place)) for one in found}
        common = f" ({next(iter(settings.values()))})" if len(set(settings.values())) == 1 else ""
        rows = [_line(one, len(found), "" if common else settings[one.cell.place]) for one in found]
        header: Sequence[str] = HEADER
        lacking = [pairing.Lacking(self.around).of(one.cell, left, other) for one in found]
        if any(lacking):
            header = (*HEADER, "missing")
            rows = [(*row, "; ".join(told) or MISSING) for row, told in zip(rows, lacking, strict=True)]
        whole = self.pooled[other]
        low, high = whole.low, whole.high
        between = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
        where = f"{whole.n} jobs in {whole.clusters} clusters by {CLUSTERS[self.by]}"
        note = f"{where}: {100 * whole.mean:+.1f}{between}: {self.verdict(other)}\n"
        return Section(note, f"{left} - {other}, in points{common}", header, rows)


@dataclass(frozen=True)
class Section:
    """A part of what is said of a comparison.

    Args:
        note: a line or more below the table, or alone.
        title: of the table.
        header: a text a column.
        rows: as many texts each.
    """

    note: str
    title: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()

    @property
    def text(self) -> str:
        """As plain text."""
        lines = [f"  {line}".rstrip() for line in aligned.aligned([self.header, *self.rows])] if self.rows else []
        return "\n".join([*([self.title] if self.rows else []), *lines, self.note])

    @property
    def html(self) -> str:
        """As HTML."""
        table = f"<p>{escape(self.title)}</p>{aligned.html(self.header, self.rows)}" if self.rows else ""
        return f"{table}<p>{escape(self.note)}</p>"


def compared(
    records: Iterable[Record],
    names: Sequence[str],
    by: str = "method",
    asked: Mapping[str, str | None] | None = None,
    draws: bool = False,
    where: str = "",
    with_rivals: bool = False,
) -> Comparison:
    """Compare the first of some names with the others.

    Args:
        records: of any kind.
        names: methods as tables call them, recipes, origins or members.
        by: which of these they are.
        asked: only these, comma-separated values by source, target, method, recipe or sparsity; None for all.
        draws: compare draws on their sources.
        where: the records are, for messages.
        with_rivals: one method alone is compared with all that share a job with it.

    Raises:
        UserError: names that are too few or in no record, or nothing that they share.
    """
    names, asked = list(dict.fromkeys(names)), dict(asked or {})
    if by not in CLUSTERS:
        raise unknown("--by", by, CLUSTERS)
    if len(names) < 2 and not (with_rivals and by == "method"):
        example = EXAMPLES.get(by, "supertickets imp")
        raise UserError(f"a comparison needs two names and got {', '.join(names)}; give e.g. {example}.")
    if asked.get(by) is not None:
        raise UserError(f"--{by} {asked[by]} beside {by}s that are compared; leave it out.")
    days = _Days()
    cells = {cell: found for cell, found in pairing.cells(days.of(records), by, draws).items() if found}
    if not cells:
        what = f"{'draw' if draws else 'transfer'} of a ticket{' set' if by == 'members' else ''}"
        raise UserError(f"{where} holds no {what}; run python -m bench.run first, or name another folder.")
    keep = wanted(asked, cells)
    if len(names) < 2:
        names += pairing.rivals(cells, keep, names[0])
    kept = pairing.chosen(cells, keep, names, by)
    return Comparison(by, tuple(names), kept, cells if by == "method" else {}, days.newest)


class _Days:
    """The day of the newest of some records, which are read once and not kept."""

    newest = ""

    def of(self, records: Iterable[Record]) -> Iterator[Record]:
        for one in records:
            self.newest = max(self.newest, one.created[:10])
            yield one


def wanted(asked: Mapping[str, str | None], cells: Iterable[Cell]) -> Callable[[Cell], bool]:
    """Whether a cell is asked for.

    Args:
        asked: comma-separated values by the name of the flag; None for all.
        cells: all there are.

    Raises:
        UserError: a value that no cell has.
    """
    lists = {}
    for name, text in asked.items():
        if text is None:
            continue
        known = sorted({_value(cell, name) for cell in cells})
        parts = [TASKS.aliases.get(part, part) for part in (part.strip() for part in text.split(","))]
        for part in parts:
            if part not in known:
                raise unknown(f"{name} among the transfers", part, known)
        lists[name] = parts
    return lambda cell: all(_value(cell, name) in parts for name, parts in lists.items())


def _value(cell: Cell, name: str) -> str:
    """What a cell has of what can be asked for, as on the command line."""
    if name == "sparsity":
        return f"{cell.sparsity:g}"
    return cell.place.task if name == "target" else getattr(cell, name)


def verdict(mean: float, is_decided: bool, left: str, right: str) -> str:
    """Which of two methods an interval favours.

    Example:
        >>> verdict(-0.02, True, "a", "b"), verdict(-0.02, False, "a", "b")
        ('b is better', 'undecided')
    """
    return f"{left if mean > 0 else right} is better" if is_decided else "undecided"


def _line(difference: Difference, comparisons: int, setting: str) -> tuple[str, ...]:
    n, found = difference.estimate.n, difference.estimate
    half = "" if found.half is None else f" ±{100 * found.half:.1f}"
    sign = "" if found.is_decided else " (undecided)"
    p = f"{difference.p:.3f}" if difference.p is not None else _out_of_reach(n, comparisons)
    needed = MISSING if difference.needed is None else f"{difference.needed:,}"
    scores = (f"{100 * difference.left:.1f}", f"{100 * difference.right:.1f}")
    return (_subject(difference.cell, setting), str(n), *scores, f"{100 * found.mean:+.1f}{half}{sign}", p, needed)


def _subject(cell: Cell, setting: str) -> str:
    """What the jobs of a cell have in common, in one line."""
    head = "head kept" if cell.head == "keep" else ""
    way = f"drawn on {cell.source}" if cell.place.kind == "draw" else f"{cell.source} -> {cell.place.task}"
    parts = (cell.method, way, cell.recipe, head, f"{cell.sparsity:.0%}", setting)
    return ", ".join(part for part in parts if part)


def _out_of_reach(n: int, comparisons: int) -> str:
    least = next(m for m in range(1, 60) if stats.can_reach(m, comparisons))
    return f"undecided below {least} seeds" if n < least else MISSING


def _ranking(by: str, ranks: Mapping[str, float], cells: int) -> Section:
    if not ranks:
        return Section("average ranks need a job and seed that all of them share; there is none.")
    apart = stats.critical_difference(len(ranks), cells)
    told = [f"two ranks differ at 5 % when they are {apart:.2f} apart (Nemenyi; jobs taken as independent)"]
    told += [f"not told apart: {', '.join(members)}" for members in stats.cliques(ranks, apart)]
    rows = [(name, f"{rank:.2f}") for name, rank in ranks.items()]
    return Section("\n".join(told), f"average ranks over {cells} jobs", (by, "rank"), rows)
