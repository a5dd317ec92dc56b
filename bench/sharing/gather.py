"""What shall be shared, put together in a folder; and that folder delivered to a place of somebody's own."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.audit.replica import draws_of
from bench.inventory import called
from bench.records import record
from bench.records.record import NAME
from bench.sharing import layout
from tickets import atomic
from tickets.errors import UserError


def gather(names: Sequence[str], home: Path, to: Path) -> list[str]:
    """Copy tickets and networks with their records, or records alone, into a folder, laid out to be shared.

    Args:
        names: files, records' ids, folders of tickets or networks, homes; or one folder of records.
        home: where a record that is given by its id lies.
        to: an empty folder.

    Returns:
        The names of the files that are in it now.

    Raises:
        UserError: a name means nothing, or records and tickets are mixed; names it.
        DamagedTicketError: a file is missing, damaged or foreign.
    """
    folders = [Path(name) for name in names if Path(name).is_dir()]
    if found := [folder for folder in folders if _holds_records(folder)]:
        if len(names) > 1:
            raise UserError(f"{found[0]} is a folder of records, which is pushed alone; push the others elsewhere.")
        _records(found[0], to)
        return layout.files(to)
    for name in names:
        folder = Path(name)
        for one in _in(folder) if folder.is_dir() else [name]:
            _pair(called.located(one, home), to)
    return layout.files(to)


def refuse_others(to: Path, names: Sequence[str]) -> None:
    """Refuse to push to a folder that is there, and is none that the same push made.

    Raises:
        UserError: something else lies there; names it.
    """
    if to.is_dir():
        card = to / layout.CARD
        text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else None
        layout.refuse_others(layout.files(to), names, text, str(to))


def deliver(folder: Path, to: Path) -> None:
    """Write a shared folder's files to another place, the card last.

    Raises:
        CannotWriteError: the disk does not take a file.
    """
    for name in sorted(layout.files(folder), key=lambda name: name == layout.CARD):
        atomic.write(to / name, (folder / name).read_bytes())


def _holds_records(folder: Path) -> bool:
    """Whether records lie in a folder, or in the `records/` of one that holds no tickets."""
    if any(folder.glob("*.safetensors")) or any((folder / room).is_dir() for room in layout.PAIRS):
        return False
    return (folder / layout.RECORDS).is_dir() or any(map(called.is_record, sorted(folder.glob("*.json"))[:1]))


def _records(folder: Path, to: Path) -> None:
    """All records of a folder, byte for byte."""
    inner = folder / layout.RECORDS
    for file in sorted((inner if inner.is_dir() else folder).glob("[!.]*.json")):
        _copied(file, to / layout.RECORDS)


def _in(folder: Path) -> list[Path]:
    """The tickets or networks that lie in a folder, or in those of a home.

    Raises:
        UserError: there are none.
    """
    rooms = [room for room in layout.PAIRS if (folder / room).is_dir()]
    found = []
    for place in [folder / room for room in rooms] or [folder]:
        names = [f"{layout.TICKETS}/{file.name}" for file in place.glob("[!.]*") if file.suffix in called.SUFFIXES]
        found += [place / stem.partition("/")[2] for stem in layout.stems(names)]
    if not found:
        raise UserError(f"the folder {folder} holds no tickets, networks or records; name files, or another folder.")
    return found


def _pair(stem: Path, to: Path) -> None:
    """A ticket or network, and the records that tell of it."""
    from tasks.network import is_network
    from tickets.ticket_set import files_of, load

    if not NAME.fullmatch(stem.name):
        raise UserError(f"{stem.name!r} cannot be shared under this name; letters, digits and . _ + = - are allowed.")
    found = load(stem)
    own = layout.ADOPTED if stem.absolute().parent.name == layout.ADOPTED else layout.TICKETS
    for file in files_of(stem, found):
        _copied(file, to / (layout.NETWORKS if is_network(found) else own))
    for file in _telling(stem):
        _copied(file, to / layout.RECORDS)


def _telling(stem: Path) -> list[Path]:
    """The record of what lies in a home, and those of the draws that it came from, as far as they are there."""
    folder = stem.absolute().parent.parent / layout.RECORDS
    found: list[Path] = []
    waiting = [stem.name]
    while waiting:
        file = folder / f"{waiting.pop()}.json"
        if file.is_file() and file not in found:
            found.append(file)
            waiting += draws_of(record.read(file)).values()
    return found


def _copied(file: Path, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to / file.name)
