"""Recipe: the ticket's architecture and masks with the first weights of this seed."""

from torch import nn

from tickets.recipes.base import Recipe
from tickets.ticket import Ticket


class Scratch(Recipe):
    """The first weights of this seed under the ticket's architecture and masks; at sparsity 0 the dense reference.

    At the seed of the drawing, a ticket whose architecture was not searched gets back the very weights that its
    drawing began with, as in the first lottery tickets (arXiv 1803.03635): it is the reset to the start, not the
    control with other weights, which is `reinit`. After a search fewer weights are drawn, and none is the old one.
    """

    def host(self, ticket: Ticket, seed: int) -> nn.Module:
        """The architecture with the first weights of this seed."""
        return ticket.spec.initial(seed, ticket.host.units)
