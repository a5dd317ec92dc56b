"""Recipe: inherit the ticket's weights."""

from torch import nn

from tickets.recipes.base import Recipe
from tickets.ticket import Ticket


class Finetune(Recipe):
    """Inherit the ticket's raw weights and batch-norm statistics, as the paper's transfers do."""

    def host(self, ticket: Ticket, seed: int) -> nn.Module:
        """The ticket with its raw weights."""
        return ticket.build("raw")
