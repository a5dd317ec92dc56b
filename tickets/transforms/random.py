"""Transform: the control with shuffled masks."""

from __future__ import annotations

from dataclasses import dataclass

from tickets.patterns import ELEMENT, PATTERNS
from tickets.seeding import generator
from tickets.ticket import Ticket
from tickets.traits import Traits
from tickets.transforms.base import Transform


@dataclass(frozen=True)
class Random(Transform):
    """The same architecture, weights and layer sparsities; kept positions shuffled within each layer.

    A pattern of groups is kept: whole groups exchange their places, or the weights within each. The shuffled mask lies
    on the ticket's raw weights. It has no averaged weights and no head, since those belong to the old positions.
    """

    @property
    def traits(self) -> Traits:
        """What it makes is a control."""
        return Traits(is_control=True)

    def apply(self, ticket: Ticket, seed: int) -> Ticket:
        """The control; `seed` is that of the shuffle."""
        pattern, g = PATTERNS.make(ticket.provenance.get("pattern", ELEMENT)), generator(seed, "random")
        masks = {name: pattern.shuffled(name, mask, g) for name, mask in ticket.host.masks.items()}
        return ticket.with_masks(masks, transform="random")
