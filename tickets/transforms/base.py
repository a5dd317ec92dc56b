"""What a transform is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.hosts.base import HostSpec
from tickets.ticket import Ticket
from tickets.traits import Traits


class Transform(ABC):
    """Makes another ticket of one; a frozen dataclass, whose fields are its options.

    Tables rank what it makes as a ticket of its own, unless its traits say that it is a control. One that carries
    tickets from one host to another is a `Carrying`.
    """

    version: ClassVar[int] = 1

    @property
    def traits(self) -> Traits:
        """What planning must know; by default it makes tickets, of those of the same host."""
        return Traits()

    @abstractmethod
    def apply(self, ticket: Ticket, seed: int) -> Ticket:
        """The other ticket.

        Args:
            ticket: not modified.
            seed: of whatever is random.
        """

    def onto(self, ticket: Ticket, seed: int, spec: HostSpec) -> Ticket:
        """The other ticket, of the host that it is trained on; what is called.

        Args:
            ticket: as for `apply`.
            seed: as for `apply`.
            spec: that host; the ticket's own unless the traits say that it is drawn from another.
        """
        return self.apply(ticket, seed)

    def check(self, spec: HostSpec, name: str) -> None:
        """Refuse before any work starts a host that tickets cannot be carried to.

        Args:
            spec: that they are to be trained on.
            name: as it was asked for.

        Raises:
            UserError: says why not.
        """
        if self.traits.draws_from == name:
            raise UserError(
                f"its tickets are drawn from {name}, the run's own host, and nothing is carried over; leave it out, or "
                "give another --host."
            )


class Carrying(Transform):
    """Carries tickets that are drawn from another host to the run's own; overrides `onto`, and `check` where not every
    host will do.

    Args:
        host: that tickets are drawn from, an option of each.
    """

    host: str

    def __post_init__(self) -> None:
        HOSTS.resolve(self.host)

    @property
    def traits(self) -> Traits:
        """Its tickets are drawn from `host`."""
        return Traits(draws_from=self.host)

    def apply(self, ticket: Ticket, seed: int) -> Ticket:
        """The ticket on its own host, where nothing is carried."""
        return self.onto(ticket, seed, ticket.spec)

    @abstractmethod
    def onto(self, ticket: Ticket, seed: int, spec: HostSpec) -> Ticket:
        """The ticket on the host that it is trained on."""
