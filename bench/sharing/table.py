"""Records as one flat CSV that a data set's viewer reads: a row a record, a column a number, none rounded."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from bench.records.record import Record

LEFT_OUT = {"schema_number", "error", "config", "fingerprints", "packages", "versions", "redraw", "code", "counts"}
"""Keys that the JSON files tell, and no cell can."""


def csv_of(records: Iterable[Record]) -> str:
    """A header and a row a record; a key of a part stands behind its part's name, as "scores.test.top1"."""
    rows = [dict(_cells(one.model_dump(mode="json", exclude=LEFT_OUT))) for one in records]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _cells(value: dict[str, Any], key: str = "") -> Iterator[tuple[str, Any]]:
    """(column, value) of what is a number, a text or a truth; lists and scores by class are left to the JSON."""
    for name, one in value.items():
        if isinstance(one, dict) and name != "classes":
            yield from _cells(one, f"{key}{name}.")
        elif not isinstance(one, dict | list):
            yield f"{key}{name}", one
