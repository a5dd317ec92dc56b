"""The methods that draw tickets, one a file, and the table of their names."""

from tickets.registry import Registry

DRAWERS = Registry(
    "drawer",
    {
        "supertickets": "tickets.drawers.supertickets:SuperTickets",
        "omp": "tickets.drawers.omp:OneShotMagnitude",
        "dense": "tickets.drawers.dense:Dense",
    },
    "ticketbench.drawers",
)
