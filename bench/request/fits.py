"""What a run asks for and each of it is allowed, but not together: sweeps, scale, host and data, one sentence each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from bench.records.setting import Setting
from bench.request import hosts
from bench.request.scale import Phase, Scale
from bench.request.sweep import Sweep
from tasks import TASKS
from tasks.data.places import Places
from tickets.drawers import DRAWERS
from tickets.errors import UserError, unknown
from tickets.hosts import HOSTS
from tickets.patterns import ELEMENT
from tickets.recipes import RECIPES
from tickets.registry import Registry

SAFE = 0.999
"""A sparsity that leaves any host a weight."""


def check(sweeps: Sequence[Sweep], scale: Scale, setting: Setting, places: Places) -> None:
    """Look for what does not go together.

    Args:
        sweeps: names resolved.
        scale: of the run.
        setting: with the run's host.
        places: where data lie.

    Raises:
        UserError: something does not; the first found.
    """
    draws = [(sweep, host) for sweep in sweeps for host in hosts.drawn_from(sweep, setting.host)]
    for sweep in sweeps:
        sweep.check()
        hosts.check(sweep, setting.host)
    everywhere = list(dict.fromkeys([*((sweep, setting.host) for sweep in sweeps), *draws]))
    for sweep, host in everywhere:
        _stands(sweep, host)
    for sweep, host in draws:
        _host(sweep, host)
    _knobs(scale)
    for sweep, host in draws:
        _drawable(sweep, scale, host)
        _something_stays(sweep, host)
        _weights(sweep, host)
        _files(sweep, host)
    for sweep in sweeps:
        _temperatures(sweep, scale, places)
        _events(sweep, scale)
        _accumulated(sweep, scale, setting.accumulate)
    for sweep, host in everywhere:
        _takes_images(sweep, scale, host)
        _ends(sweep, scale, host, places)


def _stands(sweep: Sweep, host: str) -> None:
    """See that the tasks can be trained on a host that takes what this one does: images, or latents."""
    taken = HOSTS.traits(host).takes
    for name in sweep.tasks:
        if taken not in (able := TASKS.load(name).stands_on):
            how = "made by a generator" if able == ("latent",) else "told from images"
            other = next(name for name, traits in HOSTS.traits_by_name() if traits.takes in able)
            raise UserError(f"{name} is {how}, and {host} takes {taken}s; use --host {other}.")


def _host(sweep: Sweep, host: str) -> None:
    """See that drawers have of a host what they need: an architecture to search, weights, time steps to lower."""
    for name in sweep.drawers:
        if why := hosts.why_not_drawn(name, host):
            raise UserError(why)


def _said(scale: Scale) -> list[tuple[str, str]]:
    """The names of drawers that --set says something to, and the options that it says."""
    keys = [change.partition("=")[0].split(".") for change in scale.name.split("@")[1:]]
    return [(key[-2], key[-1]) for key in keys if key[-3:-2] == ["drawers"]]


def _knobs(scale: Scale) -> None:
    """See that what --set says to drawers is said to some that there are, of options that they have."""
    for name, option in _said(scale):
        members = [one for one in DRAWERS.names() if name in (one, one.partition("/")[0])]
        if not members:
            raise unknown("drawer in --set", name, dict.fromkeys(one.partition("/")[0] for one in DRAWERS.names()))
        known = list(dict.fromkeys(field.name for one in members for field in fields(DRAWERS.load(one))))
        if option not in known:
            raise unknown(f"option of the drawer {name}", option, known)


def _drawable(sweep: Sweep, scale: Scale, host: str) -> None:
    """Ask drawers if they can have a sparsity, and need what planning knows, where the table of names does not tell.

    That takes a second, since it imports torch.
    """
    said = {name for name, _ in _said(scale)}
    for name, source, sparsity in itertools.product(sweep.drawers, sweep.sources, sweep.sparsities):
        own, _ = DRAWERS.parts(name)
        keeps_all, lowers = DRAWERS.traits(name).prunes and not sparsity, DRAWERS.traits(name).lowers_timesteps
        if name in DRAWERS.builtin and not said & {own, own.partition("/")[0]} and not keeps_all and not lowers:
            continue
        drawer = DRAWERS.make(name, scale.plan(source).knobs(name))
        if drawer.traits != DRAWERS.traits(name):
            raise UserError(
                f"--set changes what {name} needs, which its name alone may say; give the option behind the name, as "
                f"in --drawer {name}@option=value."
            )
        if keeps_all or lowers or getattr(drawer, "pattern", ELEMENT) != ELEMENT:
            drawer.check(HOSTS.make(host), sparsity)


def _something_stays(sweep: Sweep, host: str) -> None:
    """See that each sparsity leaves the host a weight; counting imports torch, so that only extreme ones are."""
    for sparsity in sweep.sparsities if sweep.sources else ():
        if sparsity <= SAFE:
            continue
        import torch

        from tickets.pruning.masks import prunable

        with torch.device("meta"):
            count = sum(weight.numel() for weight in prunable(HOSTS.make(host).build()).values())
        if round(sparsity * count) >= count:
            raise UserError(
                f"sparsity {sparsity!r} leaves none of the {count:,} weights of {host}; give one of at most "
                f"{1 - 1 / count:.8f}."
            )


def _weights(sweep: Sweep, host: str) -> None:
    """See that weights of files, of a host or said to a drawer, are there and fit."""
    if HOSTS.traits(host).has_weights:
        HOSTS.make(host).check()
    for name in sweep.drawers:
        if "weights" in DRAWERS.parts(name)[1]:
            DRAWERS.make(name).check(HOSTS.make(host), 0.0)


def _files(sweep: Sweep, host: str) -> None:
    """See that a ticket which lies in a file is of the host, of every sparsity and of every source of a sweep."""
    for name in sweep.drawers:
        if "file" not in DRAWERS.parts(name)[1]:
            continue
        drawer = DRAWERS.make(name)
        for sparsity in sweep.sparsities:
            drawer.check(HOSTS.make(host), sparsity)
        for source in sweep.sources:
            drawer.check_source(source)


def _temperatures(sweep: Sweep, scale: Scale, places: Places) -> None:
    """See that a temperature is given to no imitation that it does not change."""
    warm = [name for name in sweep.recipes if "temperature" in RECIPES.parts(name)[1]]
    imitating = [name for name in warm if RECIPES.traits(name).imitates]
    for recipe, target in itertools.product(imitating, sweep.targets):
        if not scale.plan(target).task(target, places.of(target)).has_temperature:
            raise UserError(
                f"{target} compares heat maps by their squared distance, on which the temperature of {recipe} does "
                "nothing; leave it out."
            )


def _events(sweep: Sweep, scale: Scale) -> None:
    """See that members of other packages ask for events that are there, which ours do, and sets for enough steps."""
    draws = [(DRAWERS, name, scale.plan(task).draw) for name in sweep.drawers for task in sweep.sources]
    rest = [(RECIPES, name, scale.plan(task).transfer) for name in sweep.recipes for task in sweep.targets]
    trainings: list[tuple[Registry[Any], str, Phase]] = [*draws, *rest]
    for table, name, phase in trainings:
        is_sure = table.parts(name)[0] in table.builtin and not table.traits(name).draws_sets
        for sparsity in () if is_sure else sweep.sparsities:
            table.make(name).check_events(phase.steps, sparsity)


def _accumulated(sweep: Sweep, scale: Scale, parts: int) -> None:
    """See that a batch has a sample for each part that it is computed in."""
    for task in sweep.tasks:
        if (size := scale.plan(task).batch_size) < parts:
            raise UserError(
                f"--accumulate is {parts}, and a batch of {task} has {size} samples; give at most {size}, or --set "
                "batch_size=N."
            )


def _takes_images(sweep: Sweep, scale: Scale, host: str) -> None:
    """See that a host takes images of the tasks' sizes; all of the supernet's presets do."""
    if host.startswith(f"{hosts.SUPERNET}/") and "@" not in host:
        return
    from tickets.hosts.base import check_size  # only here, since it imports torch

    for task in sweep.tasks:
        check_size(HOSTS.make(host), host, scale.plan(task).size)


def _ends(sweep: Sweep, scale: Scale, host: str, places: Places) -> None:
    """See that the tasks have a head round a host that takes latents."""
    if HOSTS.traits(host).takes == "image":
        return
    import torch

    with torch.device("meta"):
        made: Any = HOSTS.make(host).build()
        for task in sweep.tasks:
            scale.plan(task).task(task, places.of(task)).ends(made.features, made.latent)
