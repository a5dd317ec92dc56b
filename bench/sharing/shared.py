"""A shared folder, once everything in it is verified; and how it gets into a home."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.records.record import Record
from bench.sharing import layout
from tickets import atomic
from tickets.errors import UserError

if TYPE_CHECKING:
    from bench.audit.replica import Data
    from tickets.ticket import Ticket
    from tickets.ticket_set import TicketSet


@dataclass(frozen=True)
class Pair:
    """A ticket, a network, or a set of either: files that vouch for each other.

    Args:
        room: the folder that it lies in, of a home as of a shared folder.
        name: of its record.
        found: as loaded.
        files: that it is made of, as "tickets/NAME.json", in the order in which a home may see them appear.
        record: that scored it; None where it has none, as an adopted one.
    """

    room: str
    name: str
    found: Ticket | TicketSet
    files: tuple[str, ...]
    record: Record | None

    @property
    def source(self) -> str | None:
        """The task that it was drawn on, as far as it is told."""
        return self.found.provenance.get("source")

    @property
    def task(self) -> str:
        """What a network answers to, and a ticket's head was drawn with; "" where that is not told."""
        network = self.found.provenance.get("network")
        return str(network["task"] if network else self.source or "")


@dataclass(frozen=True)
class Shared:
    """A verified folder.

    Args:
        root: where it lies.
        pairs: of tickets and networks.
        records: all of them, those of the pairs included.
    """

    root: Path
    pairs: tuple[Pair, ...]
    records: tuple[Record, ...]

    @property
    def files(self) -> list[str]:
        """All that a home gets, records last, since a job whose record is there counts as done."""
        names = [name for pair in self.pairs for name in pair.files]
        return [*names, *(f"{layout.RECORDS}/{one.id}.json" for one in self.records)]


def verified(root: Path, data: Data, where: str | None = None) -> Shared:
    """Read a shared folder: every pair's hashes, every record by itself, against the others and against its pair.

    Args:
        root: the folder.
        data: gives the embedded data that records tell fingerprints of.
        where: how messages call it; default its path.

    Raises:
        UserError: a file is damaged, foreign or tells another story than its neighbour; names it.
    """
    where = where or str(root)
    names = layout.content(layout.files(root), where)
    if not names:
        raise UserError(f"{where} holds no ticket, network or record; name another.")
    try:
        records = _audited(root, names, data)
        pairs = tuple(_pair(root, stem, records) for stem in layout.stems(names))
    except UserError as error:
        told = str(error).replace(f"{root}/", "").replace("\n", " ")
        raise UserError(f"nothing was taken from {where}: {told}") from error
    found = Shared(root, pairs, tuple(records.values()))
    if spare := sorted(set(names) - set(found.files)):
        raise UserError(f"nothing was taken from {where}: {spare[0]} belongs to no ticket or network there.")
    return found


def put(found: Shared, home: Path) -> tuple[int, int]:
    """Copy a verified folder's tickets, networks and records into a home; nothing there is overwritten.

    Returns:
        How many files were written, and how many were there already.

    Raises:
        UserError: the home has another file of such a name; nothing is written.
        CannotWriteError: the disk does not take one.
    """
    missing = [name for name in found.files if not _is_there(found.root / name, home / name)]
    for name in missing:
        atomic.write(home / name, (found.root / name).read_bytes())
    return len(missing), len(found.files) - len(missing)


def files_of(stem: Path, found: Ticket | TicketSet) -> Iterator[Path]:
    """The files of a ticket or set as it lies at a stem: members first, of each the tensors first."""
    from tickets.ticket_set import TicketSet, member_path

    if isinstance(found, TicketSet):
        for number, member in enumerate(found.members):
            yield from files_of(member_path(stem, number), member)
    else:
        yield stem.with_name(f"{stem.name}.safetensors")
    yield stem.with_name(f"{stem.name}.json")


def _audited(root: Path, names: list[str], data: Data) -> dict[str, Record]:
    """The records by id, after what `bench.check results` checks of them."""
    if not any(name.startswith(f"{layout.RECORDS}/") for name in names):
        return {}
    from bench.audit.submission import findings

    records, found = findings(root / layout.RECORDS, data)
    if wrong := [one for one in found if one.is_wrong]:
        raise UserError(f"{layout.RECORDS}/{wrong[0].file}: {wrong[0].sentence}")
    return {one.id: one for one in records}


def _pair(root: Path, stem: str, records: dict[str, Record]) -> Pair:
    """A pair whose files vouch for each other, and whose record tells of it."""
    from tickets.ticket_set import load

    room, _, name = stem.partition("/")
    found = load(root / stem)
    told = found.provenance.get("network")
    if (told is not None) != (room == "networks"):
        raise UserError(f"{stem} is a {'ticket' if told is None else 'network'}, and lies in the wrong folder.")
    own = records.get(name)
    if own is not None:
        _agree(stem, found.hash, told, own)
    return Pair(room, name, found, tuple(p.relative_to(root).as_posix() for p in files_of(root / stem, found)), own)


def _agree(stem: str, found_hash: str, network: dict[str, Any] | None, own: Record) -> None:
    """Refuse a record that was not left by the job which left the pair."""
    if network is None:
        same = own.kind == "draw" and own.ticket is not None and own.ticket.hash == found_hash
    else:
        scores = own.scores and {"val": own.scores.val, "test": own.scores.test}
        same = own.kind != "draw" and network.get("record") == own.id and network.get("scores") == scores
    if not same:
        raise UserError(f"{stem} and {layout.RECORDS}/{own.id}.json tell of different results; one is another's.")


def _is_there(source: Path, goal: Path) -> bool:
    """Whether a home has the very file.

    Raises:
        UserError: it has another one of that name.
    """
    try:
        if not goal.exists():
            return False
        if goal.is_file() and goal.read_bytes() == source.read_bytes():
            return True
    except OSError as error:
        raise UserError(f"cannot read {goal}: {error.strerror}; give another --home.") from error
    raise UserError(f"{goal} has other content, and nothing there is overwritten; give another --home.")
