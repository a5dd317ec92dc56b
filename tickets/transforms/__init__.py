"""Ticket -> ticket: other tickets made of one, and the controls that it must beat, by name. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tickets.registry import Member, Registry
from tickets.traits import Traits

if TYPE_CHECKING:
    from tickets.transforms.base import Transform

TRANSFORMS: Registry[Transform] = Registry(
    "transform",
    {
        "random": Member("tickets.transforms.random:Random", traits=Traits(is_control=True)),
        "signs": Member("tickets.transforms.signs:Signs", traits=Traits()),
    },
    "ticketbench.transforms",
    "tickets.transforms.base:Transform",
    "stretch@by=2",
)
