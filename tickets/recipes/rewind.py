"""Recipe: the ticket's masks on the weights of its rewind point."""

from torch import nn

from tickets.recipes.base import Recipe
from tickets.ticket import Ticket
from tickets.traits import Traits


class Rewind(Recipe):
    """Start from the weights that the drawing had at its rewind point (Frankle et al., arXiv 1912.05671)."""

    @property
    def traits(self) -> Traits:
        """It needs a ticket with a rewind point."""
        return Traits(is_from_rewind=True)

    def host(self, ticket: Ticket, seed: int) -> nn.Module:
        """The ticket's masks on its early weights."""
        return ticket.build("rewind")
