"""Recipe: the ticket's masks on the weights of its rewind point."""

from torch import nn

from tickets.recipe import Recipe
from tickets.ticket import Ticket


class Rewind(Recipe):
    """Start from the weights that the drawing had at its rewind point (Frankle et al., arXiv 1912.05671)."""

    def host(self, ticket: Ticket, seed: int) -> nn.Module:
        """The ticket's masks on its early weights."""
        return ticket.build("rewind")
