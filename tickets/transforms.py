"""Ticket -> ticket: the controls that a ticket must beat."""

from __future__ import annotations

from tickets.masks import shuffled
from tickets.seeding import generator
from tickets.ticket import Ticket


def random(ticket: Ticket, seed: int) -> Ticket:
    """The same architecture, weights and layer sparsities; kept positions shuffled within each layer.

    The shuffled mask lies on the ticket's raw weights. It has no averaged weights and no head, since
    those belong to the old positions.

    Args:
        ticket: not modified.
        seed: of the shuffle.
    """
    return ticket.with_masks(shuffled(ticket.host.masks, generator(seed, "random")), transform="random")


TRANSFORMS = {"random": random}
