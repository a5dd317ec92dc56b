"""Which weights stay or go together: patterns of masks by name. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tickets.registry import Member, Registry

if TYPE_CHECKING:
    from tickets.patterns.base import Pattern

ELEMENT = "element"
"""The pattern of single weights, which is meant where none is named."""

PATTERNS: Registry[Pattern] = Registry(
    "pattern",
    {
        ELEMENT: Member("tickets.patterns.element:Element"),
        "kernel": Member("tickets.patterns.whole:Kernel"),
        "channel": Member("tickets.patterns.whole:Channel"),
        **{
            f"{n}:{m}": Member("tickets.patterns.nm:NofM", {"n": n, "m": m})
            for n, m in ((1, 2), (2, 4), (1, 4), (4, 8))
        },
    },
    "ticketbench.patterns",
    "tickets.patterns.base:Pattern",
    "omp@pattern=2:4",
)
