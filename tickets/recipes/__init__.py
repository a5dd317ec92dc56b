"""How tickets are trained on targets, one recipe a file, and the table of their names. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tickets.registry import Member, Registry
from tickets.traits import Traits

if TYPE_CHECKING:
    from tickets.recipes.base import Recipe

RECIPES: Registry[Recipe] = Registry(
    "recipe",
    {
        "finetune": Member("tickets.recipes.finetune:Finetune", traits=Traits()),
        "scratch": Member("tickets.recipes.scratch:Scratch", traits=Traits()),
        "reinit": Member("tickets.recipes.reinit:Reinit", traits=Traits()),
        "rewind": Member("tickets.recipes.rewind:Rewind", traits=Traits(is_from_rewind=True)),
        "frozen": Member("tickets.recipes.frozen:Frozen", traits=Traits()),
        "continue": Member("tickets.recipes.continue_:Continue", traits=Traits(is_on_source=True)),
    },
    "ticketbench.recipes",
    "tickets.recipes.base:Recipe",
    "distil@temperature=2",
)
