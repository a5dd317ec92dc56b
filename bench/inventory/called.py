"""What a person calls a network or a ticket, and the files that are meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs.store import Store
from bench.records import record
from bench.records.record import Record
from tickets import bounded
from tickets.errors import UserError, unknown

if TYPE_CHECKING:
    from tickets.ticket import Ticket
    from tickets.ticket_set import TicketSet

SUFFIXES = (".safetensors", ".json")


def load(given: str | Path, home: Path) -> Ticket | TicketSet:
    """Read and verify what is meant.

    Args:
        given, home: as `located` takes them.

    Raises:
        UserError: nothing is meant.
        DamagedTicketError: a file of it is missing, damaged or foreign.
    """
    from tickets import ticket_set

    return ticket_set.load(located(given, home))


def single(given: str | Path, home: Path, use: str) -> Ticket:
    """The same of what must be one network or ticket; `use` as `tickets.ticket_set.single` takes it."""
    from tickets import ticket_set

    return ticket_set.single(located(given, home), use)


def located(given: str | Path, home: Path) -> Path:
    """Where a network or ticket lies, without the suffixes of its files.

    Args:
        given: either of its files, or neither's suffix; a record's file, or its id; of a transfer or reference the
            network that it left is meant, of a draw the ticket.
        home: where a record that is given by its id lies.

    Raises:
        UserError: it is a folder, another file, or nothing; or the job left no network.
    """
    path = Path(given)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a network or ticket, as {_one_of(path)}, or a record's id.")
    if is_record(path):
        return _left_by(record.read(path), Store(path.absolute().parent.parent))
    stem = path.with_suffix("") if path.suffix in SUFFIXES else path
    if any(stem.with_name(name + suffix).is_file() for name in (stem.name, f"{stem.name}.m0") for suffix in SUFFIXES):
        return stem
    if path.is_file():
        raise UserError(f"{path} is no network or ticket, which are two files, NAME.safetensors and NAME.json.")
    store = Store(home)
    if (found := record_of(given, home)) is not None:
        return _left_by(found, store)
    known = [file.stem for file in sorted(store.records.glob("*.json"))]
    if path.name == str(given) and path.suffix not in SUFFIXES and known:
        raise unknown(f"file, or record of {home},", path.name, known)
    raise UserError(f"{path} does not exist; name a file of a network or ticket, or a record's id, with --home.")


def is_record(path: Path) -> bool:
    """Whether it is a record's file, by the key that all of them have and no ticket has."""
    try:
        data = bounded.parsed(bounded.read(path, record.MOST)) if path.suffix == ".json" else None
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and "schema" in data


def record_of(given: str | Path, home: Path) -> Record | None:
    """The record that is given by its file or by its id; None where something else is given."""
    path = Path(given)
    if is_record(path):
        return record.read(path)
    return Store(home).record(path.name) if path.name == str(given) and not path.exists() else None


def record_beside(stem: Path) -> Record | None:
    """The record of what lies in a home's folder of tickets or networks; None where it lies elsewhere."""
    return Store(stem.absolute().parent.parent).record(stem.name)


def _left_by(found: Record, store: Store) -> Path:
    """The files that a finished job left."""
    if found.status != "ok":
        raise UserError(f"the job of the record {found.id} failed and left no network; run it again.")
    is_draw = found.kind == "draw"
    path = store.ticket(found.id) if is_draw else store.network(found.id)
    if path.with_name(f"{path.name}.json").is_file():
        return path
    how = "" if is_draw else " with --keep networks, which trains it, and only it, once more"
    raise UserError(
        f"the job of the record {found.id} left no {'ticket' if is_draw else 'network'} in {path.parent}; run its "
        f"command again{how}."
    )


def _one_of(folder: Path) -> Path:
    """The name of a network or ticket in a folder, or in a home's."""
    for place in (folder, folder / "networks", folder / "tickets"):
        for file in sorted(place.glob("*.safetensors")):
            return file
    return Path("runs/networks/NAME.json")
