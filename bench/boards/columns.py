"""The columns that every format for people shows, in percent and powers of a thousand. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.boards.leaderboard import Board, Row
from bench.boards.overall import Overall
from bench.boards.words import recipe
from bench.numbers.amounts import MISSING, counted, duration, interval, percent, points


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


def cells(board: Board, columns: Sequence[Column]) -> list[list[str]]:
    """Texts of a board, a list a row."""
    return [[column.cell(row) for column in columns] for row in board.rows]


def full(board: Board) -> list[Column]:
    """All columns of a board's kind, optional ones where something stands in them."""
    columns = [column for column in COLUMNS if board.place.kind in column.kinds]
    return [column for column in columns if not column.is_optional or _is_filled(column, board)]


def filled(board: Board) -> list[Column]:
    """The columns of a board in which something stands."""
    return [column for column in full(board) if _is_filled(column, board)]


def _is_filled(column: Column, board: Board) -> bool:
    return any(column.cell(row) not in ("", MISSING) for row in board.rows)
