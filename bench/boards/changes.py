"""What changed in ranks since a day, and why: boards of the older records beside boards of all. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.boards import words
from bench.boards.leaderboard import Board, Row, boards
from bench.boards.result import Key
from bench.numbers.amounts import MISSING, interval, percent
from bench.records.record import Record


@dataclass(frozen=True)
class Change:
    """One row whose rank is another, or that is new.

    Args:
        heading: of its board.
        row: as it is now.
        before: its rank on that day; None where it had none.
        why: in words.
    """

    heading: str
    row: Row
    before: int | None
    why: str

    @property
    def text(self) -> str:
        """The change in one line."""
        now = MISSING if self.row.rank is None else str(self.row.rank)
        then = MISSING if self.before is None else str(self.before)
        score = interval(self.row.score)
        return f"{words.label(self.row.key)}, {percent(self.row.key.sparsity)}: {then} -> {now}, {score}: {self.why}"


def changes(records: Iterable[Record], since: str) -> list[Change]:
    """Every row that is new or ranked otherwise, in the order of boards and rows.

    Args:
        records: all there are; what was replaced by a later run is not among them, and counts as never there.
        since: as `created` is written; records from then on are new.
    """
    found = list(records)
    now = boards(found)
    then = {board.place: board for board in boards(one for one in found if one.created < since)}
    return [
        change for board in now for change in _of_board(then.get(board.place), board, words.heading(board, now), since)
    ]


def _of_board(old: Board | None, new: Board, heading: str, since: str) -> Iterator[Change]:
    before = {row.key: row for row in old.rows} if old else {}
    for row in new.rows:
        was = before.get(row.key)
        fresh = sum(one.created >= since for one in row.results)
        if was is None or was.rank != row.rank or (fresh and row.rank is not None):
            yield Change(heading, row, was.rank if was else None, _why(row, was, fresh, before, new.rows))


def _why(row: Row, was: Row | None, fresh: int, before: dict[Key, Row], rows: Sequence[Row]) -> str:
    """Because of its own records, or of those of rivals that stand above it now and did not."""
    if was is None:
        return f"new, of {_counted(fresh)}" if fresh else "complete only among the records of now"
    if fresh:
        return f"{_counted(fresh)} since, before {interval(was.score)}"
    rivals = [one for one in rows if one.rank and one.key.sparsity == row.key.sparsity and one.key != row.key]
    passed = [one for one in rivals if _is_above(one, row) != _is_above(before.get(one.key), was)]
    return "; ".join(f"{words.label(one.key)} is {'above' if _is_above(one, row) else 'below'} now" for one in passed)


def _is_above(one: Row | None, other: Row) -> bool:
    """Whether one row has a rank, and a better one."""
    return one is not None and one.rank is not None and (other.rank is None or one.rank < other.rank)


def _counted(number: int) -> str:
    return f"{number} record{'s' * (number != 1)}"


def text(found: Sequence[Change], since: str) -> str:
    """All changes as lines below the headings of their boards; new rows that have no rank are counted."""
    if not found:
        return f"No rank changed since {since}, and no row is new.\n"
    parts = []
    for heading in dict.fromkeys(change.heading for change in found):
        here = [change for change in found if change.heading == heading]
        ranked = [change for change in here if (change.row.rank, change.before) != (None, None)]
        others = len(here) - len(ranked)
        more = [f"{others} new row{'s' * (others != 1)} without a rank (references, controls, native ones, draws)"]
        lines = [heading, *(change.text for change in ranked), *(more if others else [])]
        parts.append("\n  ".join(lines) + "\n")
    return "\n".join(parts)
