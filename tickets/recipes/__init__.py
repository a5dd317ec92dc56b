"""How tickets are trained on targets, one recipe a file, and the table of their names."""

from tickets.registry import Registry

RECIPES = Registry(
    "recipe",
    {
        "finetune": "tickets.recipes.finetune:Finetune",
        "scratch": "tickets.recipes.scratch:Scratch",
        "rewind": "tickets.recipes.rewind:Rewind",
        "frozen": "tickets.recipes.frozen:Frozen",
        "continue": "tickets.recipes.continue_:Continue",
    },
    "ticketbench.recipes",
)

ON_SOURCE = frozenset({"continue"})
"""Recipes that go on with the source head, and so train on the source only."""

FROM_REWIND_POINT = frozenset({"rewind"})
"""Recipes that need a ticket with a rewind point."""
