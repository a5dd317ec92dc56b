"""Which hosts a sweep draws from, by which drawers, and whether its transforms can carry tickets to the run's."""

from __future__ import annotations

from bench.request.sweep import Sweep
from tickets.drawers import DRAWERS
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.transforms import TRANSFORMS

SUPERNET = "supernet"
"""The host that means the scale's own supernet, and the family of all of its presets."""


def drawn_from(sweep: Sweep, host: str) -> list[str]:
    """The hosts that a sweep draws from, each once.

    Args:
        sweep: names resolved.
        host: the run's, which transforms that name no other one draw from.
    """
    if not sweep.targets:
        return [host]
    elsewhere = [there for name in sweep.shuffles if (there := _there(name))]
    return list(dict.fromkeys([*(_there(name) or host for name in sweep.transforms), *elsewhere]))


def _there(transform: str | None) -> str | None:
    return TRANSFORMS.traits(transform).draws_from if transform else None


def why_not_drawn(drawer: str, host: str) -> str | None:
    """Why a drawer cannot draw from a host, as a clause; None where it can."""
    needed, there = DRAWERS.traits(drawer), HOSTS.traits(host)
    if needed.searches and not there.has_units:
        return f"the drawer {drawer} searches an architecture, and {host} has no units to search"
    if needed.needs_weights and not there.has_weights:
        return f"the drawer {drawer} needs weights of a file, and {host} begins with random ones"
    return next((why for need in needed.needs if (why := why_not_drawn(need.drawer, host))), None)


def why_not(transform: str | None, host: str) -> str | None:
    """Why a transform cannot make tickets of a host, as a sentence; None where it can."""
    if transform is None or _there(transform) is None:
        return None
    try:
        TRANSFORMS.make(transform).check(HOSTS.make(host), host)
    except UserError as error:
        return f"the transform {transform}: {error}"
    return None


def check(sweep: Sweep, host: str) -> None:
    """See that all transforms and controls of a sweep can make tickets of the run's host.

    Raises:
        UserError: one cannot; says why.
    """
    for name in (*sweep.transforms, *sweep.shuffles):
        if why := why_not(name, host):
            raise UserError(why)
