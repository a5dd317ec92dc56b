"""Recipe: the ticket as it is; only the head is trained."""

from tickets.recipes.finetune import Finetune


class Frozen(Finetune):
    """Inherit the ticket's weights and keep them; batch norms take the target's statistics, not new scales."""

    trains_host = False
