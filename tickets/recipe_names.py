"""The table of recipes, apart from their code so that `--list` imports no torch."""

from tickets.registry import Registry

RECIPES = Registry(
    "recipe",
    {"finetune": "tickets.recipes:Finetune", "scratch": "tickets.recipes:Scratch"},
    "ticketbench.recipes",
)
