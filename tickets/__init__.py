"""Drawing tickets: a supernet or another host in, a sparse subnetwork and its file out.

Knows no data set: a drawer sees a `Source` (batches, loss, head). The names below are the package's
public face; they are imported on first use, so that `import tickets` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tickets.drawers import DRAWERS
    from tickets.drawers.base import Drawer, Request, Round, last_prune
    from tickets.errors import UserError
    from tickets.hosts import HOSTS
    from tickets.hosts.base import HostSpec
    from tickets.hosts.depth import Family
    from tickets.hosts.supernet import Supernet
    from tickets.patterns import PATTERNS
    from tickets.patterns.base import Pattern, Share, Whole
    from tickets.pruning.masks import keep_top, prunable
    from tickets.recipes import RECIPES
    from tickets.recipes.base import Recipe
    from tickets.recipes.finetune import Finetune
    from tickets.scorers import SCORERS
    from tickets.scorers.base import DataScorer, Scorer
    from tickets.search.searchable import Searchable
    from tickets.seeding import derive, generator
    from tickets.source import Source
    from tickets.ticket import Ticket
    from tickets.ticket_set import TicketSet, load
    from tickets.training.events import Event
    from tickets.training.loop import Training
    from tickets.training.method import Method, Pass
    from tickets.training.network import Network
    from tickets.training.settings import Settings
    from tickets.traits import Need, Traits
    from tickets.transforms import TRANSFORMS
    from tickets.transforms.base import Transform

__all__ = [
    "DRAWERS",
    "HOSTS",
    "PATTERNS",
    "RECIPES",
    "SCORERS",
    "TRANSFORMS",
    "DataScorer",
    "Drawer",
    "Event",
    "Family",
    "Finetune",
    "HostSpec",
    "Method",
    "Need",
    "Network",
    "Pass",
    "Pattern",
    "Recipe",
    "Request",
    "Round",
    "Scorer",
    "Searchable",
    "Settings",
    "Share",
    "Source",
    "Supernet",
    "Ticket",
    "TicketSet",
    "Training",
    "Traits",
    "Transform",
    "UserError",
    "Whole",
    "derive",
    "generator",
    "keep_top",
    "last_prune",
    "load",
    "prunable",
]

_HOMES = {
    "tickets.drawers": ("DRAWERS",),
    "tickets.drawers.base": ("Drawer", "Request", "Round", "last_prune"),
    "tickets.errors": ("UserError",),
    "tickets.training.events": ("Event",),
    "tickets.hosts": ("HOSTS",),
    "tickets.hosts.base": ("HostSpec",),
    "tickets.hosts.depth": ("Family",),
    "tickets.hosts.supernet": ("Supernet",),
    "tickets.pruning.masks": ("keep_top", "prunable"),
    "tickets.training.method": ("Method", "Pass"),
    "tickets.training.network": ("Network",),
    "tickets.patterns": ("PATTERNS",),
    "tickets.patterns.base": ("Pattern", "Share", "Whole"),
    "tickets.recipes": ("RECIPES",),
    "tickets.recipes.base": ("Recipe",),
    "tickets.recipes.finetune": ("Finetune",),
    "tickets.scorers": ("SCORERS",),
    "tickets.scorers.base": ("DataScorer", "Scorer"),
    "tickets.search.searchable": ("Searchable",),
    "tickets.seeding": ("derive", "generator"),
    "tickets.training.settings": ("Settings",),
    "tickets.source": ("Source",),
    "tickets.ticket": ("Ticket",),
    "tickets.ticket_set": ("TicketSet", "load"),
    "tickets.training.loop": ("Training",),
    "tickets.traits": ("Need", "Traits"),
    "tickets.transforms": ("TRANSFORMS",),
    "tickets.transforms.base": ("Transform",),
}
_PUBLIC = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tickets' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
