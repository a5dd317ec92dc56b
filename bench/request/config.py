"""What a run is asked for: one frozen object, every mistake of it told at once, before anything is touched."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bench.command import curves, flags
from bench.records import setting as settings
from bench.records.setting import ASKED, AUTO, Setting
from bench.request import hosts, kernels
from bench.request import scale as scales
from bench.request.scale import Phase, Scale
from bench.request.sweep import ALL, Sweep
from bench.request.sweep import parse as parse_sweep
from tickets.drawers import DRAWERS
from tickets.errors import UserError, unknown
from tickets.hosts import HOSTS
from tickets.patterns import ELEMENT
from tickets.recipes import RECIPES
from tickets.registry import Registry

SUPERNET = "supernet"
"""The host that means the scale's own supernet."""


@dataclass(frozen=True)
class How:
    """How a run is made; none of it changes a result.

    Args:
        home: where records and tickets go.
        data_root: folder of the data sets' own folders.
        device: that jobs run on, as "cuda:1".
        workers: loader processes of a job.
        jobs: at once.
        force: compute jobs whose record exists.
        tensorboard: write curves.
        kernels: what was asked for; with "auto" PyTorch's may stand in for those of the setting.
    """

    home: Path
    data_root: Path | None = None
    device: str = "cpu"
    workers: int = 0
    jobs: int = 2
    force: bool = False
    tensorboard: bool = False
    kernels: str = AUTO


@dataclass(frozen=True)
class RunConfig:
    """What to compute, and how to run it; names are resolved, lists have no duplicates."""

    sweeps: tuple[Sweep, ...]
    scale: Scale
    setting: Setting
    how: How


def parse(
    sweeps: Sequence[Mapping[str, str]], setting: Mapping[str, Any], how: How, mistakes: Sequence[str] = ()
) -> RunConfig:
    """Check what the command line or a suite gave and resolve it.

    Args:
        sweeps: texts by the keys of `bench.request.sweep.DEFAULTS`.
        setting: by the fields of `Setting`; the device as PyTorch calls it.
        how: the device is that of the setting.
        mistakes: known so far, to be told with the others.

    Raises:
        UserError: lists every mistake, each with the value received and what is allowed.
    """
    mistakes = list(mistakes)

    def checked(check: Callable[..., Any], *args: Any) -> Any:
        try:
            return check(*args)
        except UserError as error:
            mistakes.append(str(error))
            return None

    parsed = [parse_sweep(sweep, checked) for sweep in sweeps]
    asked = {**ASKED, **setting}
    wanted = asked.pop("kernels")
    device = checked(flags.device, asked["device"]) or "cpu"
    taken, wrong = settings.checked({**asked, "device": device.partition(":")[0]})
    mistakes += wrong
    checked(flags.compiler, asked["compiled"])
    checked(flags.data_root, how.data_root)
    home = checked(_writable, how.home)
    if how.tensorboard:
        checked(curves.require)
    scale = checked(scales.load, asked["scale"], taken.get("budget", 1.0))
    host = checked(_host, asked["host"], scale)
    if host:
        taken["kernels"] = checked(kernels.chosen, wanted, taken, host)
    for name, least in (("workers", 0), ("jobs", 1)):
        if getattr(how, name) < least:
            mistakes.append(f"--{name} is {getattr(how, name)}; give a whole number of at least {least}.")
    if mistakes:
        raise UserError(" ".join(dict.fromkeys(mistakes)))
    root = flags.data_root(how.data_root)
    known = [sweep for sweep in parsed if sweep is not None]  # a None has left a mistake above
    found = RunConfig(
        sweeps=tuple(_possible(sweep, texts, host) for sweep, texts in zip(known, sweeps, strict=True)),
        scale=scale,
        setting=Setting(**{**taken, "scale": scale.name, "host": host}),
        how=How(home, root, device, how.workers, how.jobs, how.force, how.tensorboard, wanted),
    )
    _fits(found)
    return found


def _possible(sweep: Sweep, texts: Mapping[str, str], host: str) -> Sweep:
    """The sweep; where all transforms are asked for, with those that can make tickets of the run's host."""
    if texts.get("transform") != ALL:
        return sweep
    return replace(sweep, transforms=tuple(name for name in sweep.transforms if not hosts.why_not(name, host)))


def _fits(config: RunConfig) -> None:
    """What is allowed alone but not together."""
    for sweep in config.sweeps:
        sweep.check()
        hosts.check(sweep, config.setting.host)
        for host in hosts.drawn_from(sweep, config.setting.host):
            _can_draw(sweep, host)
    _knobs(config)
    _temperatures(config)
    _events(config)
    for sweep in config.sweeps:
        for host in dict.fromkeys([config.setting.host, *hosts.drawn_from(sweep, config.setting.host)]):
            _takes_images(sweep, config.scale, host)


def _can_draw(sweep: Sweep, host: str) -> None:
    """See that a sweep's drawers can draw from a host."""
    for name, sparsity in itertools.product(sweep.drawers, sweep.sparsities):
        if DRAWERS.traits(name).searches and not HOSTS.traits(host).has_units:
            able = [other for other, traits in DRAWERS.traits_by_name() if not traits.searches]
            raise UserError(
                f"the drawer {name} searches an architecture, and {host} has no units to search; leave --host out, or "
                f"draw with {', '.join(able)}."
            )
        if _is_odd(name, sparsity):
            DRAWERS.make(name).check(HOSTS.make(host), sparsity)


def _takes_images(sweep: Sweep, scale: Scale, host: str) -> None:
    """See that a host takes images of the tasks' sizes; all of the supernet's presets do."""
    if host.startswith(f"{SUPERNET}/") and "@" not in host:
        return
    from tickets.hosts.base import check_size  # only here, since it imports torch

    for task in sweep.tasks:
        check_size(HOSTS.make(host), host, scale.plan(task).size)


def _is_odd(name: str, sparsity: float) -> bool:
    """Whether a drawer is to be asked if it can have a sparsity, which takes a second, since it imports torch."""
    if DRAWERS.traits(name).prunes and not sparsity:
        return True
    return name not in DRAWERS.builtin and getattr(DRAWERS.make(name), "pattern", ELEMENT) != ELEMENT


def _knobs(config: RunConfig) -> None:
    """See that what --set says to drawers is said to some that there are, of options that they have."""
    keys = [change.partition("=")[0].split(".") for change in config.scale.name.split("@")[1:]]
    for name, option in (key[-2:] for key in keys if key[-3:-2] == ["drawers"]):
        members = [one for one in DRAWERS.names() if name in (one, one.partition("/")[0])]
        if not members:
            raise unknown("drawer in --set", name, dict.fromkeys(one.partition("/")[0] for one in DRAWERS.names()))
        known = list(dict.fromkeys(field.name for one in members for field in fields(DRAWERS.load(one))))
        if option not in known:
            raise unknown(f"option of the drawer {name}", option, known)


def _temperatures(config: RunConfig) -> None:
    """See that a temperature is given to no imitation that it does not change."""
    for sweep in config.sweeps:
        warm = [name for name in sweep.recipes if "temperature" in RECIPES.parts(name)[1]]
        imitating = [name for name in warm if RECIPES.traits(name).imitates]
        for recipe, target in itertools.product(imitating, sweep.targets):
            if not config.scale.plan(target).task(target, config.how.data_root).has_temperature:
                raise UserError(
                    f"{target} compares heat maps by their squared distance, on which the temperature of {recipe} does "
                    "nothing; leave it out."
                )


def _events(config: RunConfig) -> None:
    """See that members of other packages ask for events that are there, which ours do, and sets for enough steps."""
    for sweep in config.sweeps:
        draws = [(DRAWERS, name, config.scale.plan(task).draw) for name in sweep.drawers for task in sweep.sources]
        rest = [(RECIPES, name, config.scale.plan(task).transfer) for name in sweep.recipes for task in sweep.targets]
        trainings: list[tuple[Registry[Any], str, Phase]] = [*draws, *rest]
        for table, name, phase in trainings:
            is_sure = table.parts(name)[0] in table.builtin and not table.traits(name).draws_sets
            for sparsity in () if is_sure else sweep.sparsities:
                table.make(name).check_events(phase.steps, sparsity)


def _host(name: str, scale: Scale | None) -> str:
    """The host's full name; "supernet" alone means the scale's preset."""
    if name == SUPERNET:
        return f"{SUPERNET}/{scale.preset}" if scale else f"{SUPERNET}/{scales.presets()[0]}"
    return HOSTS.resolve(name)


def _writable(home: Path) -> Path:
    """The home, resolved; proven writable by a nameless temporary file, and not created here."""
    home = home.absolute()
    nearest = next(p for p in (home, *home.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return home.resolve()
    except OSError as error:
        raise UserError(
            f"the home {home} cannot be written ({error.strerror}: {nearest}); give --home another."
        ) from error
