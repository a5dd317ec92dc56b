"""A folder of records that somebody submits: what in it cannot be, or is not told, one sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench.audit import replica
from bench.audit.plausible import is_embedded, is_ours, unknown, wrong
from bench.boards.leaderboard import any_edition, grouped, placed
from bench.boards.result import Result
from bench.records import record
from bench.records.record import Record, canonical
from bench.request import scale as scales
from tickets.errors import UserError

if TYPE_CHECKING:
    from bench.audit.replica import Data

OURS = frozenset({".gitkeep"})
"""Files that may lie beside records."""


@dataclass(frozen=True)
class Finding:
    """Something to say of a file.

    Args:
        file: its name.
        sentence: what is wrong, or worth knowing.
        is_wrong: whether the submission is refused for it; else it is only told.
    """

    file: str
    sentence: str
    is_wrong: bool = True


def findings(folder: Path, data: Data, tickets: Path | None = None) -> tuple[list[Record], list[Finding]]:
    """Check every file of a folder, and the records against each other.

    Args:
        folder: of submitted records.
        data: gives the embedded data, and the sources of draws where tickets are given.
        tickets: folder of tickets, whose scores are computed again; None to leave that out.

    Returns:
        The records that could be read, and everything there is to say, by file.
    """
    records, found = [], []
    for path in sorted(folder.iterdir()):
        if path.name in OURS:
            continue
        if path.suffix != ".json" or path.name.startswith(".") or not path.is_file():
            found.append(Finding(path.name, "it is no record; only ID.json files belong here, take it out."))
            continue
        try:
            records.append(record.read(path))
        except UserError as error:
            found.append(Finding(path.name, " ".join(str(error).split())))
    for one in records:
        found += [Finding(f"{one.id}.json", text) for text in wrong(one)]
        found += [Finding(f"{one.id}.json", text, is_wrong=False) for text in unknown(one)]
        found += [Finding(f"{one.id}.json", text) for text in _other_data(one, data)]
        found += [Finding(f"{one.id}.json", text) for text in _other_score(one, data, tickets)]
    found += [*_copies(records), *_superseded(records), *_other_tickets(records)]
    return records, sorted(found, key=lambda one: (one.file, not one.is_wrong))


_scale = cache(scales.load)


def _other_data(found: Record, data: Data) -> Iterator[str]:
    """Fingerprints of the embedded data that are not those of the same version here."""
    for task, prints in found.fingerprints.items():
        if not (is_embedded(task) and is_ours(found, task)):
            continue
        try:
            _, here = data.task(task, _scale(found.setting.scale))
        except UserError as error:
            yield f"its data cannot be compared: {error}"
            continue
        if other := [split for split in here if prints.get(split) != here[split]]:
            yield (
                f"'fingerprints' tell other data of {task}: {other[0]} is {prints.get(other[0])} and here, at the same "
                f"version, {here[other[0]]}."
            )


def _other_score(found: Record, data: Data, tickets: Path | None) -> Iterator[str]:
    """Whether a draw's ticket, where its file is there, gives another score."""
    if tickets is None or found.kind != "draw" or found.status != "ok":
        return
    stem = tickets / found.id
    if not stem.with_name(f"{stem.name}.json").exists():
        return
    try:
        replica.verify_score(found, stem, data)
    except UserError as error:
        yield " ".join(str(error).split())


def _copies(records: Sequence[Record]) -> Iterator[Finding]:
    """Records that say the same under two names."""
    seen: dict[str, str] = {}
    for one in records:
        text = canonical(one.model_dump(mode="json", exclude={"id"}))
        if text in seen:
            yield Finding(f"{one.id}.json", f"it says the same as {seen[text]}.json under another name; take one out.")
        seen.setdefault(text, one.id)


def _superseded(records: Iterable[Record]) -> Iterator[Finding]:
    """Records of a job and seed that another one, the newest, stands for in tables."""
    for members in placed(records).values():
        kept = {one.id for by_seed in grouped(members)[0].values() for one in by_seed.values()}
        for one in members:
            if one.id not in kept:
                yield Finding(f"{one.id}.json", _by_whom(one, members, kept), is_wrong=False)


def _by_whom(older: Result, members: Sequence[Result], kept: set[str]) -> str:
    """The sentence about a record that does not count."""
    job = (any_edition(older.key), older.seed)
    same = [one for one in members if one.id in kept and (any_edition(one.key), one.seed) == job]
    newer = f"{same[-1].id}.json" if same else "another one"
    return f"it has the same job and seed as {newer}, which is the one that counts."


def _other_tickets(records: Sequence[Record]) -> Iterator[Finding]:
    """Transfers whose draw is there, too, and tells another ticket or another cost."""
    draws = {one.id: one for one in records if one.kind == "draw" and one.status == "ok"}
    for one in records:
        draw = draws.get(replica.draw_of(one) or "")
        if draw is None or one.kind == "draw" or not (one.ticket and draw.ticket):
            continue
        if one.job.transform is None and one.ticket.hash != draw.ticket.hash:
            yield Finding(f"{one.id}.json", f"its ticket has another hash than {draw.id}.json tells.")
        if one.costs and draw.costs and set(one.needs.values()) <= {draw.id}:
            spent = draw.costs.training_macs + draw.costs.drawing_macs
            if one.costs.drawing_macs != spent:
                yield Finding(
                    f"{one.id}.json",
                    f"'costs.drawing_macs' is {one.costs.drawing_macs}, and {draw.id}.json tells {spent}.",
                )
