"""How important each weight is at one moment: scorers by name, one a file. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tickets.registry import Member, Registry

if TYPE_CHECKING:
    from tickets.scorers.base import Scorer

SCORERS: Registry[Scorer] = Registry(
    "scorer",
    {
        "magnitude": Member("tickets.scorers.magnitude:Magnitude"),
        "random": Member("tickets.scorers.random:Random"),
        "snip": Member("tickets.scorers.snip:Snip"),
        "grasp": Member("tickets.scorers.grasp:Grasp"),
        "synflow": Member("tickets.scorers.synflow:SynFlow"),
        "wanda": Member("tickets.scorers.wanda:Wanda"),
        "obs": Member("tickets.scorers.obs:Surgeon"),
    },
    "ticketbench.scorers",
    "tickets.scorers.base:Scorer",
    "omp@scorer=snip",
)
