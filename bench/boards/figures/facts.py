"""What every figure says of itself: how many seeds, under which budget rule, by records up to which day. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.boards.leaderboard import Row
from bench.boards.render import METRICS, setting_of
from bench.boards.result import Key, Place

RULES = {"steps": "equal steps", "macs": "equal training MACs", "sparse": "equal sparse training MACs"}


def facts(place: Place, rows: Iterable[Row], *more: str) -> str:
    """Seeds, budget rule, setting and date of some rows, as one line.

    Args:
        place: of the rows; what they have in common.
        rows: that are shown.
        more: how to read the figure, a clause each.
    """
    rows = list(rows)
    setting = [part for part in setting_of(place) if not part.startswith("equal ")]
    parts = [seeds(rows), *more, f"budgets: {RULES.get(place.equal, place.equal)}", *setting, newest(rows)]
    return "; ".join(parts) + "."


def seeds(rows: Sequence[Row]) -> str:
    """As in "n = 3 to 5 seeds"."""
    counts = sorted({len(row.seeds) for row in rows}) or [0]
    if len(counts) > 1:
        return f"n = {counts[0]} to {counts[-1]} seeds"
    return f"n = {counts[0]} seed" + ("" if counts[0] == 1 else "s")


def newest(rows: Iterable[Row]) -> str:
    """The day of the newest record, from the records and not from the clock."""
    day = max((result.when for row in rows for result in row.results), default="")[:10]
    return f"records up to {day or 'an unknown day'}"


def metric(name: str) -> str:
    """A metric's name for people."""
    return METRICS.get(name, name)


def called(key: Key, edition: str = "") -> str:
    """A ticket and how it is trained, without where it was drawn, as in "imp, rewind"."""
    parts = [key.ticket, "" if key.recipe in (None, "finetune") else key.recipe, edition]
    return ", ".join([part for part in parts if part] + (["head kept"] if key.head == "keep" else []))
