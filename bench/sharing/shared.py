"""A shared folder, once everything in it is verified; and how it gets into a home."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.audit.plausible import untraced
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
    def drawer(self) -> str | None:
        """The method that drew it, by the name that people ask for it by, as far as it is told."""
        return self.record.job.drawer if self.record else self.found.provenance.get("drawer")

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
        notes: what is allowed and worth knowing, a sentence each.
    """

    root: Path
    pairs: tuple[Pair, ...]
    records: tuple[Record, ...]
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> list[str]:
        """All that a home gets, records last, since a job whose record is there counts as done."""
        names = [name for pair in self.pairs for name in pair.files]
        return [*names, *(f"{layout.RECORDS}/{one.id}.json" for one in self.records)]


def verified(root: Path, data: Data, where: str | None = None) -> Shared:
    """Read a shared folder: every pair's hashes, every record by itself, against the others and against its pair.

    A ticket or network may come with a record that others cannot compute again, which is a note; records that are
    shared by themselves are for a leaderboard, and may not.

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
    stems = list(layout.stems(names))
    try:
        records, notes = _audited(root, names, data, allowed=untraced if stems else None)
        pairs = tuple(_pair(root, stem, records) for stem in stems)
    except UserError as error:
        told = " ".join(str(error).replace(f"{root}/", "").split())
        raise UserError(f"{where} is refused as a whole: {told}") from error
    found = Shared(root, pairs, tuple(records.values()), tuple(notes))
    if spare := sorted(set(names) - set(found.files)):
        raise UserError(f"{where} is refused as a whole: {spare[0]} belongs to no ticket or network there.")
    return found


def put(found: Shared, home: Path) -> tuple[int, int]:
    """Copy a verified folder's tickets, networks and records into a home; nothing there is overwritten.

    Returns:
        How many files were written, and how many were there already.

    Raises:
        UserError: the home has another file of such a name; nothing is written.
        CannotWriteError: the disk does not take one.
    """
    missing = [name for name in found.files if not atomic.is_there(home / name, (found.root / name).read_bytes())]
    for name in missing:
        atomic.write(home / name, (found.root / name).read_bytes())
    return len(missing), len(found.files) - len(missing)


def _audited(
    root: Path, names: list[str], data: Data, allowed: Callable[[Record], Iterator[str]] | None
) -> tuple[dict[str, Record], list[str]]:
    """The records by id, after what `bench.check results` checks of them; and what of it is allowed all the same."""
    if not any(name.startswith(f"{layout.RECORDS}/") for name in names):
        return {}, []
    from bench.audit.submission import findings

    records, found = findings(root / layout.RECORDS, data)
    excused = {(f"{one.id}.json", text) for one in records for text in (allowed(one) if allowed else ())}
    for one in found:
        if one.is_wrong and (one.file, one.sentence) not in excused:
            raise UserError(f"{layout.RECORDS}/{one.file}: {one.sentence}")
    return {one.id: one for one in records}, [f"{file}: {text}" for file, text in sorted(excused)]


def _pair(root: Path, stem: str, records: dict[str, Record]) -> Pair:
    """A pair whose files vouch for each other, and whose record tells of it."""
    from tickets.ticket_set import files_of, load

    room, _, name = stem.partition("/")
    found = load(root / stem)
    told = found.provenance.get("network")
    if (told is not None) != (room == layout.NETWORKS):
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
