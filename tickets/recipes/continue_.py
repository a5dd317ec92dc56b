"""Recipe: train the ticket on, on its source, with its head ("retraining" in SuperTickets)."""

from tickets.recipes.finetune import Finetune
from tickets.traits import Traits


class Continue(Finetune):
    """Inherit weights and head and train both on under the fixed masks; only where target and source are one."""

    traits = Traits(is_on_source=True)
