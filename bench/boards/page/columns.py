"""The columns of the page's tables: those of every format for people, and what only a page has room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.boards.columns import BOTH, COLUMNS, CONTROL, TRANSFER
from bench.boards.columns import Column as Usual
from bench.boards.leaderboard import Board, Row
from bench.boards.page.told import arguments
from bench.boards.places import Places
from bench.boards.result import Key, Result
from bench.numbers.amounts import MISSING, counted
from bench.numbers.stats import Estimate

RANKS = Mapping[Key, Places]
USUAL = ("rank", "ticket", "source", "recipe", "score", "before last prune", "of dense", "gap", "remaining", "MACs",
         "cost", "seeds", "speed-up", "marks")  # fmt: skip
"""Titles of the columns that a table shows before anybody chooses."""

FIELDS = {
    "before last prune": "before", "after last prune": "after", "of dense": "of_dense", "of scratch": "of_scratch",
    "MACs": "sparse_macs", "deployed parameters": "deployed_parameters", "deployed MACs": "deployed_macs",
    "drawing MACs": "drawing_macs", "training MACs": "training_macs", "speed-up": "faster", "file": "file_share",
    "time": "wall_s", "Pareto": "pareto_macs",
}  # fmt: skip
"""Fields whose documentation explains a column of another title."""

ESTIMATES = {"score": "score", "gap": "gap", "before last prune": "before", "after last prune": "after"}
"""Fields with intervals, by the titles of their columns."""

ABOUT = {
    "rank": "places that the intervals leave the row among the contenders of its table: 1 to 3 says that it is not "
    "told from two others, by paired 95 % intervals over the seeds that both have",
    "ticket": "the method, with its options, and what was made of its ticket",
    "recipe": "how the ticket is trained on the target, and whether the source's head is kept",
    "cost": "training MACs of drawing and transfer together, counted dense as executed",
    "age": "day of the newest record of the row",
    "version": "versions of the method and of the recipe",
    "marks": "what a reader must know of the row besides its numbers: origin, edition, unequal budget",
}


@dataclass(frozen=True)
class Column:
    """One column of the page.

    Args:
        title: its header, its name in exports.
        cell: row -> text.
        value: row -> number to sort by and to export; None where the text is sorted by.
        estimate: row -> the interval that it shows; None for what has none.
        kinds: kinds of board that have it.
    """

    title: str
    cell: Callable[[Row], str]
    value: Callable[[Row], float | None] | None = None
    estimate: Callable[[Row], Estimate | None] | None = None
    kinds: tuple[str, ...] = BOTH

    @property
    def about(self) -> str:
        """What it means, from the documentation of rows, keys and results."""
        name = FIELDS.get(self.title, self.title)
        return ABOUT.get(self.title) or next((doc[name] for doc in _documented() if name in doc), "")


def columns(ranks: RANKS) -> list[Column]:
    """All columns in order.

    Args:
        ranks: places of all contenders of the board.
    """
    own = [Column("rank", lambda row: _places(row, ranks), lambda row: _best(row, ranks), kinds=TRANSFER)]
    for column in COLUMNS:
        if column.title == "marks":
            own += _added()
        if column.title not in ("rank", "sparsity"):
            own.append(_kept(column))
    return own


def filled(board: Board, found: Sequence[Column]) -> list[Column]:
    """The columns of a board in which something stands."""
    return [
        column
        for column in found
        if board.place.kind in column.kinds and any(column.cell(row) not in ("", MISSING) for row in board.rows)
    ]


def _kept(column: Usual) -> Column:
    name = ESTIMATES.get(column.title)
    estimate = None if name is None else (lambda row: getattr(row, name))
    return Column(
        column.title, lambda row: column.cell(row).removeprefix(CONTROL), column.value, estimate, column.kinds
    )


def _added() -> list[Column]:
    return [
        Column("cost", lambda row: counted(row.total_macs, "M"), lambda row: row.total_macs),
        Column("version", _version),
        Column("age", lambda row: newest(row)[:10]),
    ]


def _places(row: Row, ranks: RANKS) -> str:
    return str(ranks[row.key]) if row.key in ranks else MISSING


def _best(row: Row, ranks: RANKS) -> float | None:
    return ranks[row.key].best + ranks[row.key].worst / 1e4 if row.key in ranks else None


def _version(row: Row) -> str:
    told = [row.key.drawer_version, row.key.recipe_version]
    return ", ".join("–" if number is None else str(number) for number in told)  # noqa: RUF001


def newest(row: Row) -> str:
    """When the newest record of a row was written."""
    return max(result.created for result in row.results)


def _documented() -> list[dict[str, str]]:
    return [arguments(kind.__doc__ or "") for kind in (Row, Key, Result)]
