"""Recipe: the ticket's architecture and masks with fresh weights."""

from torch import nn

from tickets.drawer import initial_host
from tickets.recipe import Recipe
from tickets.ticket import Ticket


class Scratch(Recipe):
    """Fresh weights under the ticket's architecture and masks; at sparsity 0 the plain dense reference."""

    def host(self, ticket: Ticket, seed: int) -> nn.Module:
        """The architecture with the initial weights of this seed."""
        return initial_host(ticket.spec, seed, ticket.host.units)
