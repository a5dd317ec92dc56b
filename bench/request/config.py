"""What a run is asked for: one frozen object, every mistake of it told at once, before anything is touched."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.command import curves, flags
from bench.engines import choice
from bench.records import setting as settings
from bench.records.setting import ASKED, AUTO, Setting
from bench.request import fits, hosts, kernels, ranks
from bench.request import scale as scales
from bench.request.hosts import SUPERNET
from bench.request.scale import Scale
from bench.request.sweep import ALL, Sweep, drops_rewind
from bench.request.sweep import parse as parse_sweep
from tasks.data.places import NOWHERE, Places
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.recipes import RECIPES

KEEP = (AUTO, "networks", "none")
FEW = 4
"""Trained networks that a run keeps without being asked for them: its transfers and references, where they are no
more."""


@dataclass(frozen=True)
class How:
    """How a run is made; none of it changes a result.

    Args:
        home: where records and tickets go.
        places: where data lie; `parse` checks them.
        device: that jobs run on, as "cuda:1".
        workers: loader processes of a job.
        jobs: at once.
        engine: what runs them, as `bench.engines.choice.chosen` reads it.
        force: compute jobs whose record exists.
        tensorboard: write curves.
        grad_checkpointing: compute maps inside blocks again in backward passes, for less memory.
        keep: which trained networks stay, of `KEEP`.
        kernels: what was asked for; with "auto" PyTorch's may stand in for those of the setting.
    """

    home: Path
    places: Places = NOWHERE
    device: str = "cpu"
    workers: int = 0
    jobs: int = 2
    engine: str = choice.LOCAL
    force: bool = False
    tensorboard: bool = False
    kernels: str = AUTO
    keep: str = AUTO
    grad_checkpointing: bool = False


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

    places = checked(how.places.checked)  # first, since it may name tasks
    parsed = [parse_sweep(sweep, checked) for sweep in sweeps]
    asked = {**ASKED, **setting}
    wanted = asked.pop("kernels")
    engine = checked(choice.chosen, how.engine)
    device = checked(flags.device, asked["device"], engine is None or engine.is_here) or "cpu"
    taken, wrong = settings.checked({**asked, "device": device.partition(":")[0]})
    mistakes += wrong
    checked(flags.compiler, asked["compiled"])
    if asked["compiled"] and how.grad_checkpointing:
        mistakes.append(
            "--grad-checkpointing does not go with --compile, which chooses itself what it keeps; leave one out."
        )
    home = checked(_writable, how.home)
    if how.tensorboard:
        checked(curves.require)
    scale = checked(scales.load, asked["scale"], taken.get("budget", 1.0))
    host = checked(_host, asked["host"], scale, _drawn_on(parsed))
    taken["ranks"] = checked(ranks.chosen, taken, how.jobs, how.engine) or 1
    if host:
        taken["kernels"] = checked(kernels.chosen, wanted, taken, host)
    checked(flags.one_of, how.keep, KEEP, "value of --keep")
    for name, least in (("workers", 0), ("jobs", 1)):
        if getattr(how, name) < least:
            mistakes.append(f"--{name} is {getattr(how, name)}; give a whole number of at least {least}.")
    if mistakes:
        raise UserError(" ".join(dict.fromkeys(mistakes)))
    known = [sweep for sweep in parsed if sweep is not None]  # a None has left a mistake above
    found = RunConfig(
        sweeps=tuple(_possible(sweep, texts, host) for sweep, texts in zip(known, sweeps, strict=True)),
        scale=scale,
        setting=Setting(**{**taken, "scale": scale.name, "host": host}),
        how=replace(how, home=home, places=places, device=device, kernels=wanted),
    )
    fits.check(found.sweeps, scale, found.setting, places)
    return found


def _possible(sweep: Sweep, texts: Mapping[str, str], host: str) -> Sweep:
    """The sweep; where all drawers or transforms are asked for, those that go with its recipes and the host."""
    found: dict[str, Any] = {}
    if texts.get("drawer") == ALL:
        found["drawers"] = tuple(name for name in sweep.drawers if not hosts.why_not_drawn(name, host))
    if texts.get("transform") == ALL:
        rewinds = any(RECIPES.traits(name).is_from_rewind for name in sweep.recipes)
        fit = (name for name in sweep.transforms if not ((rewinds and drops_rewind(name)) or hosts.why_not(name, host)))
        found["transforms"] = tuple(fit)
    return replace(sweep, **found)


def _drawn_on(sweeps: Iterable[Sweep | None]) -> set[str]:
    """The tasks on which a run's networks have their first weights: sources, or the targets of references alone."""
    return {name for sweep in sweeps if sweep is not None for name in sweep.sources or sweep.targets}


def _host(name: str, scale: Scale | None, tasks: Iterable[str]) -> str:
    """The host's full name; "supernet" alone means the scale's preset for tasks like these."""
    if name == SUPERNET:
        return f"{SUPERNET}/{scale.preset_of(tasks) if scale else scales.presets()[0]}"
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
