"""A submission: verified records of a home in their submitter's name, what is wrong with them, and its letter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.audit.publishing import REFUSED, Keep, Publisher, paths, unclean
from bench.audit.submission import findings
from bench.boards.leaderboard import boards
from bench.boards.words import label
from bench.records import record
from bench.records.record import Record
from tickets.errors import UserError

if TYPE_CHECKING:
    from bench.audit.replica import Data


def signed(found: Record, name: str) -> Record:
    """A record that says by whom it is submitted, and everything else as it was."""
    return found.model_copy(update={"origin": f"submitted by {name}"})


def fit(publisher: Publisher, keep: Keep, known: set[str]) -> Iterator[tuple[Path, str | None]]:
    """The files of the records to submit, as they are verified, each with why it is refused, or None.

    Jobs that failed belong to a submission, too, since the set must be complete; their code must be as clean.

    Args:
        publisher: of the home, to a folder for their copies.
        keep: which are asked for.
        known: names of records that are published already; they are left out.
    """
    for path in paths(publisher.store):
        if path.stem in known:
            continue
        if (why := _failed(path, keep)) is not None:
            yield path, why or None
        elif (outcome := publisher.outcome(path, keep)) is not None:
            yield path, outcome[1] if outcome[0] == REFUSED else None


def _failed(path: Path, keep: Keep) -> str | None:
    """Of the record of a failed job that is asked for, why it is refused, or ""; None for all others."""
    try:
        found = record.read(path)
        if found.status == "ok" or not keep(found):
            return None
        unclean(found)
    except UserError as error:
        return " ".join(str(error).split())
    return ""


def wrong(folder: Path, data: Data) -> list[str]:
    """What cannot be true of the records in a folder, a line each; as `python -m bench.check results` says it."""
    _, found = findings(folder, data)
    return [f"{one.file}: {one.sentence}" for one in found if one.is_wrong]


def missing(together: Iterable[Record], origin: str) -> list[str]:
    """Rows of an origin that tables would list apart, beside all others, each with what it lacks."""
    return [
        f"{label(row.key)} at {row.key.sparsity:g} on {board.place.task}: {row.missing}"
        for board in boards(together)
        for row in board.incomplete
        if row.key.origin == origin
    ]


def letter(records: Sequence[Record], name: str, lacks: Sequence[str]) -> str:
    """The text of a pull request: what is submitted, by whom, whose code it is, and what is missing."""
    drawers = sorted({one.job.drawer for one in records})
    count = "1 record" if len(records) == 1 else f"{len(records)} records"
    parts = [f"{count} of {', '.join(drawers)}, submitted by {name}"]
    settings = sorted({one.setting.flags for one in records})
    parts.append("Computed with:\n" + "\n".join(f"- {flags}" for flags in settings))
    codes = sorted({_where(one) for found in records for one in found.code})
    if codes:
        parts.append("Code of their own:\n" + "\n".join(f"- {one}" for one in codes))
    if lacks:
        parts.append("Not complete:\n" + "\n".join(f"- {one}" for one in lacks))
    parts.append("Their tickets' files were verified, and the records pass python -m bench.check results.")
    return "\n\n".join(parts) + "\n"


def _where(code: record.Code) -> str:
    told = f"{code.label} {code.version or ''}".rstrip()
    return f"{told}, commit {code.commit}" if code.commit else told
