"""Recipe: the ticket's architecture and masks with weights that no drawing has seen."""

from torch import nn

from tickets.recipes.base import Recipe
from tickets.seeding import derive
from tickets.ticket import Ticket


class Reinit(Recipe):
    """Truly fresh weights, of a stream of their own: the random reinitialisation that a winning ticket must beat.

    J. Frankle, M. Carbin, The Lottery Ticket Hypothesis (arXiv 1803.03635), section 2. Where a host's first weights
    come from a file, they are those again.
    """

    def host(self, ticket: Ticket, seed: int) -> nn.Module:
        """The architecture with first weights of another seed."""
        return ticket.spec.fresh(derive(seed, "reinit"), ticket.host.units)
