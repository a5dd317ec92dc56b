"""The records that come with the project: where they lie, and beside one's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.records import record
from bench.records.provenance import checkout
from bench.records.record import Record
from tickets.errors import UserError

RECORDS = Path("results/records")


def folder() -> Path:
    """The published records below the working folder, or those of the checkout that this package lies in.

    Raises:
        UserError: there are none, as where a wheel was installed.
    """
    root = checkout()
    places = [RECORDS, *([root / RECORDS] if root else [])]
    for place in places:
        if place.is_dir():
            return place
    raise UserError(
        f"there are no published records: {' and '.join(map(str, places))} is no folder; run from a checkout of "
        "ticketbench, which holds them."
    )


def beside(own: Iterable[Record]) -> Iterator[Record]:
    """The published records, then those of one's own that are not published.

    Raises:
        UserError: as `folder` and `bench.records.record.each`.
    """
    known = set()
    for found in record.each(folder()):
        known.add(found.id)
        yield found
    for found in own:
        if found.id not in known:
            yield found
