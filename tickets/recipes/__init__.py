"""How tickets are trained on targets, one recipe a file, and the table of their names."""

from tickets.registry import Registry

RECIPES = Registry(
    "recipe",
    {"finetune": "tickets.recipes.finetune:Finetune", "scratch": "tickets.recipes.scratch:Scratch"},
    "ticketbench.recipes",
)
