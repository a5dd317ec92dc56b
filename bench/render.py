"""Boards as Markdown, CSV, plain text and rich tables: one list of columns, four looks.

People read percent and powers of a thousand; the CSV keeps every digit.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TextIO

from bench.leaderboard import Board, Key, Row
from bench.stats import Estimate

MISSING = "–"  # noqa: RUF001  an en dash, which no number can be mistaken for
METRICS = {"top1": "top-1", "miou": "mIoU", "pck": "PCK@0.2", "ap": "OKS AP"}
LONGEST = 200
"""Characters of a reason (an error, say) that a table shows."""


def percent(value: float | None) -> str:
    """A fraction as percent.

    Example:
        >>> percent(0.61249)
        '61.2%'
    """
    return MISSING if value is None else f"{100 * value:.1f}%"


def interval(value: Estimate | None) -> str:
    """A mean fraction with half the width of its interval, in percent.

    Example:
        >>> interval(Estimate(0.61249, 0.0131, 3))
        '61.2% ±1.3'
    """
    if value is None:
        return MISSING
    return percent(value.mean) + ("" if value.half is None else f" ±{100 * value.half:.1f}")


def points(value: Estimate | None) -> str:
    """A difference of fractions in signed percentage points.

    Example:
        >>> points(Estimate(-0.0213, None, 1))
        '-2.1'
    """
    if value is None:
        return MISSING
    return f"{100 * value.mean:+.1f}" + ("" if value.half is None else f" ±{100 * value.half:.1f}")


def counted(value: float | None, unit: str) -> str:
    """A count with three digits in `unit` ("k", "M") or the larger ones.

    Example:
        >>> counted(130_560, "k"), counted(2_422_799_760, "M"), counted(999_999, "k"), counted(0, "k")
        ('131k', '2.42G', '1.00M', '0')
    """
    if not value:
        return MISSING if value is None else "0"
    units = "kMGTPE"
    power = units.index(unit)
    while value >= 999.5 * 1000 ** (power + 1) and power + 1 < len(units):
        power += 1
    scaled = value / 1000 ** (power + 1)
    digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
    return f"{scaled:.{digits}f}{units[power]}"


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours, whichever reads best.

    Example:
        >>> duration(42.4), duration(192), duration(7000)
        ('42 s', '3.2 min', '1.9 h')
    """
    if seconds is None:
        return MISSING
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True)
class Column:
    """One column for people.

    Args:
        title: its header.
        cell: row -> text.
        kinds: kinds of board that have it.
        terminal: its header in a terminal, "" to leave it out there.
        is_number: whether it is set flush right.
    """

    title: str
    cell: Callable[[Row], str]
    kinds: tuple[str, ...] = ("transfer", "draw")
    terminal: str = ""
    is_number: bool = True


def _rank(row: Row) -> str:
    if row.rank is None:
        return MISSING
    return f"{row.rank}?" if row.is_decided is False else str(row.rank)


def _source(row: Row) -> str:
    name = row.key.source or MISSING
    return f"{name} (native)" if row.key.is_native else name


def _recipe(row: Row) -> str:
    return (row.key.recipe or MISSING) + (", head kept" if row.key.head == "keep" else "")


def _marks(row: Row) -> str:
    """What a reader must know of the row besides its numbers."""
    marks = [row.edition] if row.edition else []
    if row.key.origin != "measured":
        marks.append(row.key.origin)
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


TRANSFER, DRAW = ("transfer",), ("draw",)
COLUMNS = (
    Column("rank", _rank, TRANSFER),
    Column("ticket", lambda row: row.key.ticket, is_number=False),
    Column("source", _source, TRANSFER, is_number=False),
    Column("recipe", _recipe, TRANSFER, is_number=False),
    Column("sparsity", lambda row: percent(row.key.sparsity), terminal="sparsity"),
    Column("seeds", lambda row: str(len(row.seeds))),
    Column("before last prune", lambda row: interval(row.before), DRAW, "before last prune"),
    Column("after last prune", lambda row: interval(row.after), DRAW, "after it"),
    Column("score", lambda row: interval(row.score), terminal="score"),
    Column("of dense", lambda row: percent(row.of_dense), TRANSFER, "of dense"),
    Column("of scratch", lambda row: percent(row.of_scratch), TRANSFER, "of scratch"),
    Column("gap", lambda row: points(row.gap), TRANSFER, "gap"),
    Column("remaining", lambda row: percent(row.remaining), terminal="remaining"),
    Column("parameters", lambda row: counted(row.parameters, "k"), terminal="params"),
    Column("MACs", lambda row: counted(row.sparse_macs, "M"), terminal="MACs"),
    Column("deployed parameters", lambda row: counted(row.deployed_parameters, "k"), TRANSFER),
    Column("deployed MACs", lambda row: counted(row.deployed_macs, "M"), TRANSFER),
    Column("drawing MACs", lambda row: counted(row.drawing_macs, "M")),
    Column("training MACs", lambda row: counted(row.training_macs, "M")),
    Column("time", lambda row: duration(row.wall_s), terminal="time"),
    Column("marks", _marks, terminal="marks", is_number=False),
)
FIRST = Column("ticket", lambda row: label(row.key), terminal="ticket", is_number=False)
"""In a terminal, ticket, source and recipe share this column."""

DROPPED = ("marks", "time", "gap", "of scratch", "of dense", "MACs", "parameters", "remaining")
"""Columns that a narrow terminal does without, the first first."""
GAP = 2
"""Spaces between two columns."""

LEGEND = """\
*score*: primary metric on the test split, mean over the seeds ± half the 95 % t-interval. *rank*: among
tickets drawn on another task, per sparsity; "?" where the seeds do not tell a row from the one above. *of
dense*: share of the score of the dense supernet trained on the same source and finetuned; *of scratch*:
of the one trained on the target alone. *gap*: score minus that of the ticket drawn on the target itself,
in points, paired by seed. *remaining*, *parameters* and *MACs* (exact by layer) are the ticket's;
*deployed* ones include the head. *drawing* and *training MACs* are counted dense as executed; "budget ×"
marks rows whose sum differs by more than 10 % from the tickets'. Validation scores stand *before* and
*after* the last pruning of a draw.
"""  # noqa: RUF001


def heading(board: Board, boards: Sequence[Board] = ()) -> str:
    """What a board is about, in one line; names its data if another of the boards differs in nothing else."""
    place = board.place
    subject = f"Tickets drawn on {place.task}" if place.kind == "draw" else f"Transfers to {place.task}"
    parts = [f"scale {place.scale}"]
    if board.metric:
        parts.insert(0, f"{METRICS.get(board.metric, board.metric)} on {_split(board)}")
    if place.host != f"supernet/{place.scale}":
        parts.append(f"host {place.host}")
    if place.equal == "macs":
        parts.append("equal training MACs")
    if place.budget != 1:
        parts.append(f"budget {place.budget:g}")
    if any(replace(other.place, data=place.data) == place != other.place for other in boards):
        parts.append(f"data {place.data or 'unknown'}")
    return f"{subject}: {', '.join(parts)}"


def _split(board: Board) -> str:
    return "test" if board.split in ("", "test") else f"test (officially {board.split})"


def notes(board: Board) -> list[str]:
    """One sentence for every incomplete row and for what was left out."""
    lines = []
    for row in board.incomplete:
        name = f"{label(row.key)}, sparsity {percent(row.key.sparsity)}"
        lines.append(f"Incomplete: {name}: {_clipped(row.missing or '')}.")
    if board.superseded:
        older = "1 older record" if board.superseded == 1 else f"{board.superseded} older records"
        lines.append(f"Left out: {older} of a job and seed that ran again.")
    return lines


def _clipped(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _cells(board: Board, columns: Sequence[Column]) -> list[list[str]]:
    return [[column.cell(row) for column in columns] for row in board.rows]


def _full(board: Board) -> list[Column]:
    return [column for column in COLUMNS if board.place.kind in column.kinds]


def _brief(board: Board) -> list[Column]:
    """The columns of a terminal: those in which something stands."""
    columns = [FIRST, *(column for column in _full(board) if column.terminal)]
    return [column for column in columns if any(column.cell(row) not in ("", MISSING) for row in board.rows)]


def markdown(boards: Iterable[Board]) -> str:
    """All boards as one Markdown page."""
    boards = tuple(boards)
    sections = ["# Leaderboards\n", LEGEND]
    for board in boards:
        sections.append(f"## {heading(board, boards)}\n")
        if board.rows:
            columns = _full(board)
            ruler = ["--:" if column.is_number else ":--" for column in columns]
            lines = [[column.title for column in columns], ruler, *_cells(board, columns)]
            sections.append("".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in lines))
        if found := notes(board):
            sections.append("".join(f"- {_escaped(note)}\n" for note in found))
    return "\n".join(sections)


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{sign}" if sign in "\\|<>*_`[]" else sign for sign in text)


def plain(boards: Iterable[Board]) -> str:
    """All boards as aligned text, draws first, as a pipe gets them."""
    boards = sorted(boards, key=_is_transfer)
    return "\n".join(_plain(board, heading(board, boards)) for board in boards)


def _is_transfer(board: Board) -> bool:
    return board.place.kind == "transfer"


def _plain(board: Board, title: str) -> str:
    columns = _brief(board)
    lines = [[column.terminal for column in columns], *_cells(board, columns)] if board.rows else []
    widths = [max(map(len, texts)) for texts in zip(*lines, strict=True)]
    text = title + "\n"
    for line in lines:
        aligned = (
            cell.rjust(width) if column.is_number else cell.ljust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        )
        text += f"  {(' ' * GAP).join(aligned)}".rstrip() + "\n"
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
                parts.append(
                    Text(f"Not shown here: {', '.join(dropped)} (the window is narrow).", style="dim")
                )
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


def _pair(name: str, read: Callable[[Row], Estimate | None]) -> dict[str, Callable[[Board, Row], Any]]:
    """The two CSV columns of an estimate."""

    def part(attribute: str) -> Callable[[Board, Row], Any]:
        return lambda _, row: getattr(read(row), attribute, None)

    return {name: part("mean"), f"{name}_half": part("half")}


def _of_key(*names: str) -> dict[str, Callable[[Board, Row], Any]]:
    return {name: lambda _, row, name=name: getattr(row.key, name) for name in names}


def _of_row(*names: str) -> dict[str, Callable[[Board, Row], Any]]:
    return {name: lambda _, row, name=name: getattr(row, name) for name in names}


FIELDS: dict[str, Callable[[Board, Row], Any]] = {
    "kind": lambda board, _: board.place.kind,
    **_of_key("source", "target", "drawer", "transform", "recipe", "head", "control"),
    **_of_key("sparsity", "scale", "budget", "origin"),
    "metric": lambda board, _: board.metric,
    "test_split": lambda board, _: board.split,
    "seeds": lambda _, row: " ".join(map(str, row.seeds)),
    "n": lambda _, row: len(row.seeds),
    **_of_row("rank", "is_decided"),
    **_pair("score", lambda row: row.score),
    **_pair("val_before_last_prune", lambda row: row.before),
    **_pair("val_after_last_prune", lambda row: row.after),
    **_of_row("of_dense", "of_scratch"),
    **_pair("gap", lambda row: row.gap),
    **_of_row("remaining", "parameters", "sparse_macs", "deployed_parameters", "deployed_macs"),
    **_of_row("drawing_macs", "training_macs", "budget_ratio", "wall_s"),
    **_of_key("drawer_version", "recipe_version", "source_data"),
    "host": lambda board, _: board.place.host,
    "equal": lambda board, _: board.place.equal,
    "data": lambda board, _: board.place.data,
    **_of_row("edition", "missing"),
}
"""CSV columns in order; fractions stay fractions, an absent number is an empty cell."""


def to_csv(boards: Iterable[Board]) -> str:
    """Every row of all boards, incomplete ones included, as one flat CSV with full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for board in boards:
        for row in (*board.rows, *board.incomplete):
            writer.writerow([read(board, row) for read in FIELDS.values()])
    return out.getvalue()


FORMATS: dict[str, Callable[[Iterable[Board]], str]] = {"md": markdown, "csv": to_csv}
"""What a table file can be, by its ending."""
