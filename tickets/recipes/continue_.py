"""Recipe: train the ticket on, on its source, with its head ("retraining" in SuperTickets)."""

from tickets.recipes.finetune import Finetune


class Continue(Finetune):
    """Inherit weights and head and train both on under the fixed masks; only where target and source are one."""
