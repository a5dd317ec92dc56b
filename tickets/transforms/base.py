"""What a transform is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from tickets.ticket import Ticket
from tickets.traits import Traits


class Transform(ABC):
    """Makes another ticket of one; a frozen dataclass, whose fields are its options.

    Tables rank what it makes as a ticket of its own, unless its traits say that it is a control.
    """

    version: ClassVar[int] = 1
    traits: ClassVar[Traits] = Traits()

    @abstractmethod
    def apply(self, ticket: Ticket, seed: int) -> Ticket:
        """The other ticket.

        Args:
            ticket: not modified.
            seed: of whatever is random.
        """
