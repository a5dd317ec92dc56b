"""Transform: the control of elastic tickets, copies of a block under shuffled masks."""

from __future__ import annotations

from dataclasses import dataclass

from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.hosts.base import HostSpec
from tickets.hosts.depth import Copies
from tickets.patterns import ELEMENT, PATTERNS
from tickets.seeding import generator
from tickets.ticket import Ticket
from tickets.traits import Traits
from tickets.transforms.elastic import Elastic


@dataclass(frozen=True)
class ElasticPermuted(Elastic):
    """The elastic ticket whose further copies have their masks shuffled within each layer, as in the released code.

    Weights, the first copy of each block and what does not repeat are those of the elastic ticket, and so are the
    counts of every layer: what differs is whether the structure of a block's mask is worth copying. A squeezed ticket
    has no further copies, and no such control.
    """

    @property
    def traits(self) -> Traits:
        """A control, of tickets that are drawn from `host`."""
        return Traits(is_control=True, draws_from=self.host)

    def check(self, spec: HostSpec, name: str) -> None:
        """The host must have more blocks than the family's `host`."""
        super().check(spec, name)
        if not _further(self.copies(HOSTS.make(self.host), spec)):
            raise UserError(
                f"a ticket of {self.host} is squeezed to {name}, and no block is copied twice whose mask could be "
                "shuffled; leave the control elastic_permuted out."
            )

    def onto(self, ticket: Ticket, seed: int, spec: HostSpec) -> Ticket:
        """The control; `seed` is that of the shuffle."""
        moved, further = super().onto(ticket, seed, spec), _further(self.copies(ticket.spec, spec))
        pattern, g = PATTERNS.make(ticket.provenance.get("pattern", ELEMENT)), generator(seed, "elastic_permuted")
        masks = {
            name: pattern.shuffled(name, mask, g) if name.startswith(further) else mask
            for name, mask in moved.host.masks.items()
        }
        return moved.with_masks(masks, transform="elastic_permuted")


def _further(copies: Copies) -> tuple[str, ...]:
    """What the names of tensors in all but the first copies of blocks begin with."""
    return tuple(f"{block}." for blocks in copies.values() for block in blocks[1:])
