"""Which hosts a sweep draws from, by which drawers, and whether its transforms can carry tickets to the run's."""

from __future__ import annotations

from bench.request.sweep import Sweep
from tickets.drawers import DRAWERS
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.traits import Traits
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
    """Why a drawer cannot draw from a host, as a sentence; None where it can, as far as their traits tell."""
    wanted, there = DRAWERS.traits(drawer), HOSTS.traits(host)
    if wanted.searches and not there.has_units:
        able = [other for other, traits in DRAWERS.traits_by_name() if _is_undemanding(traits)]
        return (
            f"the drawer {drawer} searches an architecture, and {host} has no units to search; leave --host out, or "
            f"draw with {', '.join(able)}."
        )
    if wanted.lowers_timesteps and not there.has_timesteps:
        timed = [other for other, traits in HOSTS.traits_by_name() if traits.has_timesteps]
        return f"{drawer} needs a host with time steps, and {host} has none; use {' or '.join(timed)}."
    if wanted.needs_file:
        return f"{drawer} takes a ticket that lies in a file; say which, as in --drawer {drawer}@file=TICKET."
    if wanted.needs_weights and not there.has_weights:
        return (
            f"{drawer} needs weights of a file, and {host} begins with random ones; give a host that names some, as "
            "timm/tf_efficientnet_lite0@weights=lite0."
        )
    return next((why for need in wanted.needs if (why := why_not_drawn(need.drawer, host))), None)


def _is_undemanding(traits: Traits) -> bool:
    """Whether a drawer draws from every host."""
    return not (traits.searches or traits.lowers_timesteps or traits.needs_weights or traits.needs_file)


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
