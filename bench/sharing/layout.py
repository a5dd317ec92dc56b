"""Which files a shared folder may hold: those of a home, a card, and what the card shows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.records.record import NAME
from tickets.errors import UserError

PAIRS = TICKETS, NETWORKS, ADOPTED = "tickets", "networks", "adopted"
"""Folders whose files come in pairs that vouch for each other; `tickets.ticket_set.load` verifies each."""
RECORDS = "records"
CARD, PICTURES, TABLE = "README.md", "pictures", "records.csv"
MARK = "ticketbench"
"""A tag of every card that is written here."""

_NAME = NAME.pattern
_OWN = re.compile(rf"(?:{'|'.join(PAIRS)})/{_NAME}\.(?:json|safetensors)|{RECORDS}/{_NAME}\.json")
_BESIDE = re.compile(rf"{re.escape(CARD)}|{re.escape(TABLE)}|{PICTURES}/{_NAME}\.png|\.gitattributes|LICENSE(?:\.md)?")
_MEMBER = re.compile(r"\.m\d+$")
_UNSEEN = (".git", ".cache")
"""Folders that a clone or a download leaves; nobody looks into them."""


def files(folder: Path) -> list[str]:
    """The files of a folder as "tickets/NAME.json", sorted; a link counts as what it is called.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; name one that holds shared tickets, networks or records.")
    found = []
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = [name for name in folders if name not in (*links, *_UNSEEN)]
        found += [Path(place, name).relative_to(folder).as_posix() for name in (*names, *links)]
    return sorted(found)


def content(names: Iterable[str], where: str) -> list[str]:
    """Those of some files' names that are of tickets, networks and records.

    Args:
        names: as `files` gives them, or a repository's listing.
        where: how messages call the folder or repository.

    Raises:
        UserError: a file of another kind is among them.
    """
    names = list(names)
    if foreign := [name for name in names if not _OWN.fullmatch(name) and not _BESIDE.fullmatch(name)]:
        more = f" and {len(foreign) - 1} more" if foreign[1:] else ""
        raise UserError(
            f"{where} holds {foreign[0]!r}{more}, which is no file of a ticket, network or record; only "
            f"{', '.join(PAIRS)} and {RECORDS} with safetensors and JSON files are shared, and nothing was taken over."
        )
    return [name for name in names if _OWN.fullmatch(name)]


def stems(names: Iterable[str]) -> Iterator[str]:
    """The pairs among some files, each once, as "tickets/NAME"; a set's members are part of the set."""
    found = {name.rpartition(".")[0] for name in names if not name.startswith(f"{RECORDS}/")}
    sets = {_MEMBER.sub("", stem) for stem in found if _MEMBER.search(stem)} & found
    own = sorted(stem for stem in found if not (_MEMBER.search(stem) and _MEMBER.sub("", stem) in sets))
    yield from sorted(own, key=lambda stem: PAIRS.index(stem.partition("/")[0]))


def refuse_others(there: Iterable[str], ours: Iterable[str], card: str | None, where: str) -> None:
    """Refuse to push to a place that holds what is no push of the same tickets, networks and records.

    Args:
        there: files of the place.
        ours: files that shall be there.
        card: the text of the place's card; None where it has none.
        where: how messages call the place.

    Raises:
        UserError: something of another kind lies there, or something that is not pushed now.
    """
    there, ours = set(there), set(ours)
    try:
        other = sorted(set(content(there, where)) - ours)
    except UserError as error:
        raise UserError(f"{str(error).rpartition(';')[0]}; push to a place of its own.") from error
    if other:
        raise UserError(f"{where} holds {other[0]}, which is not pushed now; push all of it together, or elsewhere.")
    if card is not None and not re.search(rf"^- {MARK}$", card, re.M):
        raise UserError(f"{where} has a {CARD} that is not of a push; push to a place of its own.")
