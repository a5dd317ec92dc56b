"""How tickets are trained on targets, one recipe a file, and the table of their names. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tickets.registry import Member, Registry
from tickets.traits import Traits, taught_by

if TYPE_CHECKING:
    from tickets.recipes.base import Recipe


def _distilled(is_from_rewind: bool = False, **options: Any) -> Member:
    traits = Traits(taught_by("dense"), is_from_rewind=is_from_rewind, imitates=True)
    return Member("tickets.recipes.distilled:Distilled", options, traits)


RECIPES: Registry[Recipe] = Registry(
    "recipe",
    {
        "finetune": Member("tickets.recipes.finetune:Finetune", traits=Traits()),
        "scratch": Member("tickets.recipes.scratch:Scratch", traits=Traits()),
        "reinit": Member("tickets.recipes.reinit:Reinit", traits=Traits()),
        "rewind": Member("tickets.recipes.rewind:Rewind", traits=Traits(is_from_rewind=True)),
        "frozen": Member("tickets.recipes.frozen:Frozen", traits=Traits()),
        "continue": Member("tickets.recipes.continue_:Continue", traits=Traits(is_on_source=True)),
        "kd": _distilled(),
        "kd_rewind": _distilled(start="rewind", is_from_rewind=True),
        "kd_finetune": _distilled(start="inherit"),
        "kd/as_released": _distilled(reduction="mean"),
    },
    "ticketbench.recipes",
    "tickets.recipes.base:Recipe",
    "distil@temperature=2",
)
