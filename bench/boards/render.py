"""Boards as Markdown, plain text and rich tables; the columns that every format for people shows.

People read percent and powers of a thousand; `bench.boards.flat` keeps every digit.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, TextIO

from bench.boards import overall
from bench.boards.leaderboard import Board, Row
from bench.boards.overall import Overall
from bench.boards.result import Key, Place
from bench.numbers import aligned, stats
from bench.numbers.amounts import MISSING, counted, duration, interval, percent, points

METRICS = {"top1": "top-1", "miou": "mIoU", "pck": "PCK@0.2", "ap": "OKS AP"}
BUDGETS = {"macs": "training MACs", "sparse": "sparse training MACs"}
"""What methods got alike, where that is not their steps."""
LONGEST = 200
"""Characters of a reason (an error, say) that a table shows."""


@dataclass(frozen=True)
class Column:
    """One column for people.

    Args:
        title: its header.
        cell: row -> text.
        value: row -> what to sort by, a number or None; None where the text itself is sorted by.
        kinds: kinds of board that have it.
        terminal: its header in a terminal, "" to leave it out there.
        is_optional: whether a board on which nothing stands in it goes without.
    """

    title: str
    cell: Callable[[Row], str]
    value: Callable[[Row], float | None] | None = None
    kinds: tuple[str, ...] = ("transfer", "draw")
    terminal: str = ""
    is_optional: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it is set flush right."""
        return self.value is not None


def _rank(row: Row) -> str:
    if row.rank is None:
        return MISSING
    return f"{row.rank}?" if row.is_decided is False else str(row.rank)


def _source(row: Row) -> str:
    name = row.key.source or MISSING
    return f"{name} (native)" if row.key.is_native else name


def recipe(key: Key) -> str:
    """How the ticket is trained on the target, as in "finetune, head kept"."""
    return (key.recipe or MISSING) + (", head kept" if key.head == "keep" else "")


def _marks(row: Row) -> str:
    """What a reader must know of the row besides its numbers."""
    marks = [row.edition] if row.edition else []
    if row.key.origin != "measured":
        marks.append(row.key.origin)
    if row.stated_macs != 0:
        marks.append("drawing cost unknown" if row.stated_macs is None else "drawing cost as stated")
    if row.budget_ratio is not None:
        marks.append(f"budget ×{row.budget_ratio:.3g}")  # noqa: RUF001
    return ", ".join(marks)


def label(key: Key) -> str:
    """A row in words, as in "omp from cls/figures, rewind"; the recipe finetune goes without saying."""
    text = key.ticket
    if key.source and key.target:
        text += f" from {key.source}" + (" (native)" if key.is_native else "")
    if key.recipe not in (None, "finetune"):
        text += f", {key.recipe}"
    return text + (", head kept" if key.head == "keep" else "")


def _mean(name: str) -> Callable[[Row], float | None]:
    """Reads the mean of one of a row's estimates."""
    return lambda row: getattr(getattr(row, name), "mean", None)


def _number(name: str) -> Callable[[Row], float | None]:
    return lambda row: getattr(row, name)


def _percent_of(title: str, name: str, *rest: Any) -> Column:
    return Column(title, lambda row: percent(getattr(row, name)), _number(name), *rest)


def _count_of(title: str, name: str, unit: str, *rest: Any) -> Column:
    return Column(title, lambda row: counted(getattr(row, name), unit), _number(name), *rest)


def _interval_of(title: str, name: str, *rest: Any) -> Column:
    return Column(title, lambda row: interval(getattr(row, name)), _mean(name), *rest)


def _pareto(row: Row) -> str:
    """By which costs no ticket of the board is better."""
    return " + ".join(name for name, best in (("MACs", row.pareto_macs), ("remaining", row.pareto_remaining)) if best)


CONTROL = "\u21b3 "
"""Stands before the ticket of a row that is a control of the row above."""

TRANSFER, DRAW, BOTH = ("transfer",), ("draw",), ("transfer", "draw")
COLUMNS = (
    Column("rank", _rank, _number("rank"), TRANSFER),
    Column("ticket", lambda row: (CONTROL if row.is_control else "") + row.key.ticket),
    Column("source", _source, None, TRANSFER),
    _interval_of("score", "score", BOTH, "score"),
    Column("recipe", lambda row: recipe(row.key), None, TRANSFER),
    Column("sparsity", lambda row: percent(row.key.sparsity), lambda row: row.key.sparsity, BOTH, "sparsity"),
    Column("seeds", lambda row: str(len(row.seeds)), lambda row: len(row.seeds)),
    _interval_of("before last prune", "before", DRAW, "before last prune"),
    _interval_of("after last prune", "after", DRAW, "after it"),
    _percent_of("of dense", "of_dense", TRANSFER, "of dense"),
    _percent_of("of scratch", "of_scratch", TRANSFER, "of scratch"),
    Column("gap", lambda row: points(row.gap), _mean("gap"), TRANSFER, "gap"),
    Column("Pareto", _pareto, None, TRANSFER),
    _percent_of("remaining", "remaining", BOTH, "remaining"),
    _count_of("parameters", "parameters", "k", BOTH, "params"),
    _count_of("MACs", "sparse_macs", "M", BOTH, "MACs"),
    _count_of("deployed parameters", "deployed_parameters", "k", TRANSFER),
    _count_of("deployed MACs", "deployed_macs", "M", TRANSFER),
    _count_of("drawing MACs", "drawing_macs", "M"),
    _count_of("training MACs", "training_macs", "M"),
    Column(
        "speed-up",
        lambda row: MISSING if row.faster is None else f"{row.faster:.2f}×",  # noqa: RUF001
        _number("faster"),
        BOTH,
        "speed-up",
        is_optional=True,
    ),
    Column("file", lambda row: percent(row.file_share), _number("file_share"), BOTH, "file", is_optional=True),
    Column("time", lambda row: duration(row.wall_s), _number("wall_s"), BOTH, "time"),
    Column("marks", _marks, None, BOTH, "marks"),
)
FIRST = Column("ticket", lambda row: ("  " if row.is_control else "") + label(row.key), None, BOTH, "ticket")
"""In a terminal, ticket, source and recipe share this column."""

DROPPED = ("marks", "time", "file", "speed-up", "gap", "of scratch", "of dense", "MACs", "parameters", "remaining")
"""Columns that a narrow terminal does without, the first first."""
GAP = 2
"""Spaces between two columns."""

LEGEND = """\
*score*: primary metric on the test split, mean over the seeds ± half the 95 % t-interval. *rank*: among
tickets drawn on another task, per sparsity; "?" where the seeds do not tell a row from the one ranked above. *of
dense*: share of the score of the dense supernet trained on the same source and finetuned; *of scratch*:
of the one trained on the target alone. *gap*: score minus that of the ticket drawn on the target itself,
in points, paired by seed. A row with "\u21b3" is a control of the ticket above it: its positions shuffled within
each layer (*random*), or drawn on the target itself (*native*). *Pareto*: no ticket of the board, native
ones included, has a higher mean score at as few MACs, or at as few remaining weights. *remaining*,
*parameters* and *MACs* (exact by layer) are the ticket's; *deployed* ones include the head. *drawing* and
*training MACs* are counted dense as executed; "budget ×" marks rows whose sum differs by more than 10 %
from the tickets'. Validation scores stand *before* and *after* the last pruning of a draw. *average rank*:
over the targets, among the methods of one sparsity that are complete on all of them; *of dense* there is
the mean of the targets' shares.
"""  # noqa: RUF001


def heading(board: Board, boards: Sequence[Board] = ()) -> str:
    """What a board is about, in one line; names its data if another of the boards differs in nothing else."""
    place = board.place
    subject = f"Tickets drawn on {place.task}" if place.kind == "draw" else f"Transfers to {place.task}"
    parts = [f"{METRICS.get(board.metric, board.metric)} on {_split(board)}"] if board.metric else []
    parts += setting_of(place)
    if any(replace(other.place, data=place.data) == place != other.place for other in boards):
        parts.append(f"data {place.data or 'unknown'}")
    return f"{subject}: {', '.join(parts)}"


def setting_of(place: Place) -> list[str]:
    """Scale, host, budget and way of computing of a board in words, those that go without saying left out."""
    parts = [f"scale {place.scale}"]
    if place.host != f"supernet/{place.scale}":
        parts.append(f"host {place.host}")
    if place.equal in BUDGETS:
        parts.append(f"equal {BUDGETS[place.equal]}")
    if place.budget != 1:
        parts.append(f"budget {place.budget:g}")
    return parts + ([place.compute] if place.compute else [])


def slugs(boards: Sequence[Board]) -> list[str]:
    """A short name for each board, different from the others', for files and links: "seg-figures-tiny"."""
    names = [_slug(board) for board in boards]
    return [
        f"{name}-{board.place.data or 'unknown'}" if names.count(name) > 1 else name
        for name, board in zip(names, boards, strict=True)
    ]


def _slug(board: Board) -> str:
    place = board.place
    parts = ["draw"] if place.kind == "draw" else []
    parts += [place.task, place.scale]
    parts += [place.host] if place.host != f"supernet/{place.scale}" else []
    parts += [place.equal] if place.equal != "steps" else []
    parts += [f"{place.budget:g}"] if place.budget != 1 else []
    parts += [place.compute] if place.compute else []
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(parts)).strip("-.")


def _split(board: Board) -> str:
    return "test" if board.split in ("", "test") else f"test (officially {board.split})"


def notes(board: Board) -> list[str]:
    """One sentence for every row of sets, every incomplete row, what was left out, what speeds were measured by."""
    lines = [text for row in board.rows if (text := _of_members(row))]
    for row in board.incomplete:
        name = f"{label(row.key)}, sparsity {percent(row.key.sparsity)}"
        lines.append(f"Incomplete: {name}: {_clipped(row.missing or '')}.")
    if board.superseded:
        older = "1 older record" if board.superseded == 1 else f"{board.superseded} older records"
        lines.append(f"Left out: {older} of a job and seed that ran again.")
    if board.measured:
        what = "of the host without what is dead, one image, beside the dense one"
        lines.append(f"Speed-up and file: {what}, on {board.measured}.")
    return lines


def _of_members(row: Row) -> str | None:
    """What a set scores and what its members do alone, the mean over the seeds; None for a row of single tickets."""
    each = [result.members for result in row.results if result.members]
    if len(each) < len(row.results):
        return None
    alone, best = (stats.mean([of(scores) for scores in each]) for of in (stats.mean, max))
    name = f"{label(row.key)}, sparsity {percent(row.key.sparsity)}"
    return f"Set: {name}: {percent(row.mean)} together, a member alone {percent(alone)}, the best one {percent(best)}."


def _clipped(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def overall_heading(found: Overall) -> str:
    """What an overall board is about, in one line."""
    setting = setting_of(found.boards[0].place)
    return f"Tickets of {found.source} over {len(found.targets)} targets: {', '.join(setting)}"


def overall_columns(found: Overall) -> list[str]:
    """Headers of an overall board; the second and third are words, the others numbers."""
    return ["rank", "ticket", "recipe", "sparsity", "average rank", "of dense", *found.targets]


def overall_cells(found: Overall) -> list[list[str]]:
    """Texts of an overall board, a list a line."""
    return [
        [
            str(line.rank),
            line.key.ticket,
            recipe(line.key),
            percent(line.key.sparsity),
            f"{line.average_rank:.2f}",
            percent(line.of_dense),
            *(interval(row.score) for row in line.rows),
        ]
        for line in found.lines
    ]


def overall_notes(found: Overall) -> list[str]:
    """One sentence for every method that lacks a target."""
    return [
        f"Incomplete: {label(key)}, sparsity {percent(key.sparsity)}: no complete row on {', '.join(targets)}."
        for key, targets in found.incomplete
    ]


def _cells(board: Board, columns: Sequence[Column]) -> list[list[str]]:
    return [[column.cell(row) for column in columns] for row in board.rows]


def _full(board: Board) -> list[Column]:
    columns = [column for column in COLUMNS if board.place.kind in column.kinds]
    return [column for column in columns if not column.is_optional or _is_filled(column, board)]


def filled(board: Board) -> list[Column]:
    """The columns of a board in which something stands."""
    return [column for column in _full(board) if _is_filled(column, board)]


def _is_filled(column: Column, board: Board) -> bool:
    return any(column.cell(row) not in ("", MISSING) for row in board.rows)


def _brief(board: Board) -> list[Column]:
    """The columns of a terminal: those in which something stands."""
    return [FIRST, *(column for column in filled(board) if column.terminal)] if board.rows else []


def markdown(boards: Iterable[Board]) -> str:
    """All boards as one Markdown page, those over all targets first."""
    boards = tuple(boards)
    sections = ["# Leaderboards\n", LEGEND]
    for found in overall.over_targets(boards):
        sections.append(f"## {overall_heading(found)}\n")
        titles = overall_columns(found)
        sections.append(_table(titles, [True, False, False, *[True] * (len(titles) - 3)], overall_cells(found)))
        sections.append(_list(overall_notes(found)))
    for board in boards:
        sections.append(f"## {heading(board, boards)}\n")
        if board.rows:
            columns = _full(board)
            titles = [column.title for column in columns]
            sections.append(_table(titles, [column.is_number for column in columns], _cells(board, columns)))
        sections.append(_list(notes(board)))
    return "\n".join(section for section in sections if section)


def _table(titles: Sequence[str], are_numbers: Sequence[bool], lines: Iterable[Sequence[str]]) -> str:
    ruler = ["--:" if is_number else ":--" for is_number in are_numbers]
    return "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in (titles, ruler, *lines))


def _list(notes: Iterable[str]) -> str:
    return "".join(f"- {_escaped(note)}\n" for note in notes)


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{sign}" if sign in "\\|<>*_`[]" else sign for sign in text)


def plain(boards: Iterable[Board]) -> str:
    """All boards as aligned text, draws first, as a pipe gets them."""
    boards = sorted(boards, key=_is_transfer)
    return "\n".join(_plain(board, heading(board, boards)) for board in boards)


def html(board: Board, boards: Sequence[Board] = ()) -> str:
    """One board as an HTML table of the columns in which something stands, its heading above and its notes below."""
    columns = filled(board)
    rows = _cells(board, columns)
    table = aligned.html([column.title for column in columns], rows) if rows else ""
    told = "".join(f"<li>{escape(note)}</li>" for note in notes(board))
    return f"<p><b>{escape(heading(board, boards))}</b></p>{table}" + (f"<ul>{told}</ul>" if told else "")


def _is_transfer(board: Board) -> bool:
    return board.place.kind == "transfer"


def _plain(board: Board, title: str) -> str:
    columns = _brief(board)
    lines = [[column.terminal for column in columns], *_cells(board, columns)] if board.rows else []
    widths = [max(map(len, texts)) for texts in zip(*lines, strict=True)]
    text = title + "\n"
    for line in lines:
        cells = (
            cell.rjust(width) if column.is_number else cell.ljust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        )
        text += f"  {(' ' * GAP).join(cells)}".rstrip() + "\n"
    return text + "".join(f"  {note}\n" for note in notes(board))


def rich(boards: Iterable[Board], width: int) -> Any:
    """All boards as one rich renderable, draws first.

    Args:
        boards: what to show.
        width: characters there are; columns that do not fit are left out, and that is said.
    """
    from rich.console import Group
    from rich.text import Text

    boards = sorted(boards, key=_is_transfer)
    parts: list[Any] = []
    for board in boards:
        parts.append(Text(heading(board, boards), style="bold"))
        if board.rows:
            widths, dropped = _fitting(board, width)
            parts.append(_rich_table(board, widths))
            if dropped:
                parts.append(Text(f"Not shown here: {', '.join(dropped)} (the window is narrow).", style="dim"))
        parts += [Text(note, style="yellow") for note in notes(board)]
        parts.append(Text())
    return Group(*parts[:-1])


def _fitting(board: Board, width: int) -> tuple[dict[Column, int], list[str]]:
    """The terminal's columns that fit, with their widths, and the titles of those that do not."""
    columns = _brief(board)
    least = {column: _least_width(column, board) for column in columns}
    dropped = []
    for title in DROPPED:
        if sum(least.values()) + GAP * (len(least) - 1) > width:
            dropped += [column.title for column in least if column.title == title]
            least = {column: need for column, need in least.items() if column.title != title}
    spare = width - sum(least.values()) - GAP * (len(least) - 1)
    for column, need in least.items():
        wish = max(len(text) for text in (column.terminal, *(column.cell(row) for row in board.rows)))
        more = max(0, min(wish - need, spare))
        least[column], spare = need + more, spare - more
    return least, dropped


def _least_width(column: Column, board: Board) -> int:
    """Characters without which a column's words or numbers would be torn."""
    cells = [column.cell(row) for row in board.rows]
    parts = cells if column.is_number else [word for cell in cells for word in cell.split()]
    return max(map(len, (*column.terminal.split(), *parts)))


def _rich_table(board: Board, widths: Mapping[Column, int]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    for column, width in widths.items():
        table.add_column(column.terminal, justify="right" if column.is_number else "left", width=width)
    for line in _cells(board, list(widths)):
        table.add_row(*map(Text, line))
    return table


def show(boards: Iterable[Board], file: TextIO | None = None) -> None:
    """Print the boards: rich in a terminal, plain when piped.

    Args:
        boards: what to show.
        file: where to; default standard output.
    """
    file = file or sys.stdout
    if file.isatty():
        from rich.console import Console

        console = Console(file=file)
        console.print(rich(boards, console.width))
    else:
        file.write(plain(boards))
