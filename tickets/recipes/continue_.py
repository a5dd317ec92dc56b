"""Recipe: train the ticket on, on its source, with its head ("retraining" in SuperTickets)."""

from tickets.recipes.finetune import Finetune
from tickets.traits import Traits


class Continue(Finetune):
    """Inherit weights and head and train both on under the fixed masks; only where target and source are one."""

    @property
    def traits(self) -> Traits:
        """It stays on the source."""
        return Traits(is_on_source=True)
