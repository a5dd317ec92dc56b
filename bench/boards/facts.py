"""What figures and tables of papers say of themselves: how many seeds, which budget rule, records up to when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.boards.leaderboard import Row
from bench.boards.result import Key, Place
from bench.boards.words import METRICS

RULES = {"steps": "equal steps", "macs": "equal training MACs", "sparse": "equal sparse training MACs"}


def facts(place: Place, rows: Iterable[Row], *more: str) -> str:
    """Seeds, budget rule and date of some rows, as one line; their setting stands in the title.

    Args:
        place: of the rows; what they have in common.
        rows: that are shown.
        more: how to read the figure, a clause each.
    """
    rows = list(rows)
    return sentence([place], seeds(rows), newest(rows), *more)


def sentence(places: Iterable[Place], n: str, day: str, *more: str) -> str:
    """The same of several places, with n and day in words."""
    rules = sorted({RULES.get(place.equal, place.equal) for place in places})
    return "; ".join([n, *more, f"budgets: {', '.join(rules)}", day]) + "."


def seeds(rows: Sequence[Row]) -> str:
    """As in "n = 3 to 5 seeds"."""
    return counted(len(row.seeds) for row in rows)


def counted(numbers: Iterable[int]) -> str:
    """As in "n = 1 seed"."""
    counts = sorted(set(numbers)) or [0]
    if len(counts) > 1:
        return f"n = {counts[0]} to {counts[-1]} seeds"
    return f"n = {counts[0]} seed" + ("" if counts[0] == 1 else "s")


def newest(rows: Iterable[Row]) -> str:
    """The day of the newest record, from the records and not from the clock."""
    return until(max((result.when for row in rows for result in row.results), default="")[:10])


def until(day: str) -> str:
    """As in "records up to 2026-11-27"."""
    return f"records up to {day or 'an unknown day'}"


def metric(name: str) -> str:
    """A metric's name for people."""
    return METRICS.get(name, name)


def called(key: Key, edition: str = "") -> str:
    """A ticket and how it is trained, without where it was drawn, as in "imp, rewind"."""
    parts = [key.ticket, "" if key.recipe in (None, "finetune") else key.recipe, edition]
    return ", ".join([part for part in parts if part] + (["head kept"] if key.head == "keep" else []))
