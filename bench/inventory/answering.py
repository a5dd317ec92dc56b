"""The network that answers for a file: a kept one by itself, a drawn ticket with the head that it was drawn with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.inventory import called
from tickets.errors import UserError

if TYPE_CHECKING:
    from tasks.base import Info
    from tasks.data.places import Places
    from tasks.network import Kept
    from tickets.ticket import Ticket
    from tickets.ticket_set import TicketSet


def opened(given: str | Path, home: Path, places: Places | None = None) -> Kept:
    """Host, head and task of what a person names.

    Args:
        given, home: as `called.located` takes them.
        places: for a drawn ticket whose task is of the user's own data: where its names are read from.

    Raises:
        UserError: nothing is meant, or what a ticket was drawn on is not known.
        DamagedTicketError: a file of it is missing, damaged or foreign.
    """
    from tasks import network
    from tickets import ticket_set

    stem = called.located(given, home)
    found = ticket_set.load(stem)
    return network.opened(found) if network.is_network(found) else _with_source(found, stem, places)


def _with_source(found: Ticket | TicketSet, stem: Path, places: Places | None) -> Kept:
    """A ticket with its source, whose options the draw's record tells, where that lies beside it."""
    from tasks.network import Kept, without_data

    name, drawn = str(found.provenance.get("source")), called.record_beside(stem)
    config: Mapping[str, Any] = drawn.config if drawn else {}
    options = {**config.get("options", {}), "size": tuple(found.provenance["size"])}
    return Kept(found, name, without_data(name, _info(name, places), options), config.get("heads", "light"))


def _info(name: str, places: Places | None) -> Info:
    """What a task tells of itself; that of one's own data is read from these."""
    from tasks import TASKS

    told: Info | property = TASKS.load(name).info
    if not isinstance(told, property):
        return told
    root = places.of(name) if places else None
    if root is None:
        raise UserError(
            f"the ticket was drawn on {name}, whose classes or joints its data tell; give them by --data, or a "
            "network that was trained on them, which tells them itself."
        )
    return TASKS.load(name)(root=root).info
