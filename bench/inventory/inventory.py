"""What a home holds, how large it is, and what keeps it: a record, an unfinished job, a running one, or nothing.

What is needed, and why:

- Records always: they are results.
- The ticket of a draw whose record is ok. A grid that goes on, another target, `bench.publish` and `bench.show` use it,
  and a draw without its ticket is drawn again.
- The ticket that the record of a transfer or of another draw names in `config.draw`: with it the record can be
  published.
- The trained network of a job whose record is ok: it was asked for. A ticket's portrait.
- The checkpoint of a job that has no record that is ok: the job goes on from it.
- Whatever a running job may be at: all that bears its name while `locks/NAME.lock` is held, and, where there is no such
  file to ask, all that changed less than an hour ago.

Nothing needs the others: tickets of draws that have no record or failed, halves of tickets, checkpoints of jobs that
have their record, temporary files, locks that nobody holds. Files of other names are somebody's own and stay.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.audit.replica import draw_of
from bench.jobs.lock import unheld
from bench.jobs.store import Store
from bench.records import record
from bench.records.record import Record
from tickets.errors import UserError

TICKET, NETWORK, PORTRAIT, CHECKPOINT = "ticket", "network", "portrait", "checkpoint"
TEMPORARY, LOCK, OTHER = "temporary file", "lock", "other file"
KINDS = (TICKET, NETWORK, PORTRAIT, CHECKPOINT, TEMPORARY, LOCK, OTHER)
RUNNING, PERHAPS_RUNNING = "a running job", "a job that may be running"
FOLDERS = ("records", "tickets", "networks", "portraits", "checkpoints", "locks")
PAIRS = {"tickets": TICKET, "networks": NETWORK}
"""What the folders hold whose files come in pairs."""
HALVES = (".safetensors", ".json")
FRESH_S = 3600
"""Seconds within which a file without a lock may still be written."""

_TEMPORARY = re.compile(r"\.?(?P<id>.+?)(\.m\d+)?(\.json|\.safetensors|\.pt)?\.\d+\.tmp")
_MEMBER = re.compile(r"\.m\d+$")
"""What stands behind a set's name in that of a member."""


@dataclass(frozen=True)
class Item:
    """One thing in a home.

    Args:
        kind: one of `KINDS`.
        name: of the draw or job that it belongs to.
        files: that it is made of.
        size: their bytes.
        kept_by: why it stays, as in "its record"; "" where nothing needs it.
    """

    kind: str
    name: str
    files: tuple[Path, ...]
    size: int
    kept_by: str


def inventory(home: Path, records: Iterable[Record]) -> list[Item]:
    """Everything in a home but its records, by kind and name.

    Args:
        home: its folder.
        records: all of its records.
    """
    records, store = list(records), Store(home)
    done = {one.id for one in records if one.status == "ok"}
    draws = {one.id for one in records if one.kind == "draw"} & done
    used = Counter(name for one in records if one.status == "ok" and (name := draw_of(one)))
    found = []
    for kind, name, files in _grouped(home, store):
        kept_by = "" if kind != OTHER else "its owner"
        if kind == TICKET:
            kept_by = _keeps_ticket(name in draws, used[name])
        elif kind in (NETWORK, PORTRAIT):
            kept_by = "its record" if name in done else ""
        elif kind == CHECKPOINT:
            kept_by = "" if name in done else "an unfinished job"
        found.append(Item(kind, name, files, size(files), kept_by or _running(home, name, files)))
    return sorted(found, key=lambda item: (KINDS.index(item.kind), item.name, item.files))


def _keeps_ticket(has_record: bool, users: int) -> str:
    reasons = ["its record"] if has_record else []
    reasons += [f"{users} record{'s' if users > 1 else ''} of jobs that started from it"] if users else []
    return " and ".join(reasons)


def _grouped(home: Path, store: Store) -> Iterator[tuple[str, str, tuple[Path, ...]]]:
    """(kind, name, files) of all that lies directly in a home's folders, records left out."""
    pairs: dict[tuple[str, str], list[Path]] = {}
    for path in _files(home):
        temporary, folder = _TEMPORARY.fullmatch(path.name), path.parent
        if temporary:
            yield TEMPORARY, temporary["id"], (path,)
        elif folder.name in PAIRS and path.suffix in HALVES:
            name = _MEMBER.sub("", path.name.removesuffix(path.suffix))
            pairs.setdefault((PAIRS[folder.name], name), []).append(path)
        elif folder.name == "portraits" and path.suffix == ".json":
            yield PORTRAIT, path.name.removesuffix(".json"), (path,)
        elif folder.name == "checkpoints" and path.suffix == ".pt":
            yield CHECKPOINT, path.name.removesuffix(".pt"), (path,)
        elif folder.name == "locks" and path.suffix == ".lock":
            yield LOCK, path.name.removesuffix(".lock"), (path,)
        elif folder != store.records or path.suffix != ".json":
            yield OTHER, path.name, (path,)
    for (kind, name), halves in pairs.items():
        yield kind, name, tuple(halves)


def _files(home: Path) -> list[Path]:
    """Every file in a home's own folders, by path; no deeper ones, and no links."""
    places = [path for folder in FOLDERS if (home / folder).is_dir() for path in (home / folder).iterdir()]
    return sorted(path for path in places if path.is_file() and not path.is_symlink())


def size(files: Iterable[Path]) -> int:
    """Bytes of some files; one that vanished meanwhile counts nothing."""
    total = 0
    for path in files:
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def _running(home: Path, name: str, files: tuple[Path, ...]) -> str:
    """Why some files may be in use right now, or ""."""
    lock = home / "locks" / f"{name}.lock"
    if lock.exists():
        return RUNNING if is_held(lock) else ""
    youngest = max((path.stat().st_mtime for path in files if path.exists()), default=0.0)
    return PERHAPS_RUNNING if time.time() - youngest < FRESH_S else ""


def is_held(lock: Path) -> bool:
    """Whether a process holds this lock."""
    with unheld(lock) as is_free:
        return not is_free


def is_busy(home: Path) -> bool:
    """Whether a job of this home runs, as far as locks tell."""
    return any(is_held(lock) for lock in home.glob("locks/*.lock"))


def remove(home: Path, item: Item) -> bool:
    """Delete a thing's files, unless something keeps it or a job has begun to use it; whether it did.

    Raises:
        OSError: a file cannot be deleted.
    """
    with unheld(home / "locks" / f"{item.name}.lock") as is_free:
        if item.kept_by or not is_free:
            return False
        for path in item.files:
            path.unlink(missing_ok=True)
    return True


def read(home: Path) -> list[Record]:
    """All records of a home.

    Raises:
        UserError: the folder is no home, or a record is damaged, so that nobody can tell what it needs; names it.
    """
    if not any((home / folder).is_dir() for folder in FOLDERS):
        raise UserError(f"{home} is no home of runs: it holds none of {', '.join(FOLDERS)}; name another by --home.")
    folder = Store(home).records
    return record.read_all(folder) if folder.is_dir() else []
