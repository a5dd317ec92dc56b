"""What a run is asked for: one frozen object, every mistake of it told at once, before anything is touched."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import curves, flags
from bench.request import scale as scales
from bench.request.scale import Scale
from bench.request.sweep import Sweep
from bench.request.sweep import parse as parse_sweep
from tickets import drawers
from tickets.errors import UserError, unknown

EQUAL = ("steps", "macs")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class RunConfig:
    """What to compute, and how to run it; names are resolved, lists have no duplicates.

    The fields down to `data_root` say what is computed; the others only how it is run.
    """

    sweeps: tuple[Sweep, ...]
    scale: Scale
    host: str
    budget: float
    equal: str
    precision: str
    compiled: bool
    threads: int
    device: str
    data_root: Path | None
    home: Path
    workers: int = 0
    jobs: int = 2
    force: bool = False
    tensorboard: bool = False


def parse(
    *,
    sweeps: Sequence[Mapping[str, str]],
    scale: str,
    host: str,
    budget: float,
    equal: str,
    precision: str,
    compiled: bool,
    threads: int,
    device: str,
    data_root: Path | None,
    home: Path,
    workers: int,
    jobs: int,
    force: bool,
    tensorboard: bool = False,
    mistakes: Sequence[str] = (),
) -> RunConfig:
    """Check what the command line or a suite gave and resolve it.

    Args:
        sweeps: texts by the keys of `bench.request.sweep.DEFAULTS`.
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

    fields = {
        "sweeps": tuple(parse_sweep(sweep, checked) for sweep in sweeps),
        "budget": checked(_above_zero, budget),
        "equal": checked(flags.one_of, equal, EQUAL, "equal"),
        "precision": checked(flags.one_of, precision, PRECISIONS, "precision"),
        "compiled": checked(flags.compiler, compiled),
        "device": checked(flags.device, device),
        "data_root": checked(flags.data_root, data_root),
        "home": checked(_writable, home),
    }
    if tensorboard:
        checked(curves.require)
    fields["scale"] = checked(scales.load, scale, fields["budget"] or 1.0)
    fields["host"] = checked(_host, host, fields["scale"])
    for name, value, least in (("threads", threads, 1), ("workers", workers, 0), ("jobs", jobs, 1)):
        if value < least:
            mistakes.append(f"--{name} is {value}; give a whole number of at least {least}.")
    if mistakes:
        raise UserError(" ".join(dict.fromkeys(mistakes)))
    found = RunConfig(**fields, threads=threads, workers=workers, jobs=jobs, force=force, tensorboard=tensorboard)
    _fits(found)
    return found


def _fits(config: RunConfig) -> None:
    """What is allowed alone but not together."""
    for sweep in config.sweeps:
        sweep.check()
    if config.host.startswith("supernet/"):
        return
    for name in dict.fromkeys(name for sweep in config.sweeps for name in sweep.drawers):
        if drawers.traits(name).searches:
            able = [other for other, method in drawers.METHODS.items() if not method.traits.searches]
            raise UserError(
                f"the drawer {name} searches an architecture and needs the supernet; {config.host} has no units to "
                f"search; leave --host out, or draw with {', '.join(able)}."
            )
    from tickets.host import check_size, host_spec  # only here, since it imports torch

    for task in dict.fromkeys(task for sweep in config.sweeps for task in sweep.tasks):
        check_size(host_spec(config.host), config.host, config.scale.plan(task).size)


def _host(name: str, scale: Scale | None) -> str:
    """The host's full name; "supernet" alone means the scale's preset."""
    known = [f"supernet/{preset}" for preset in scales.presets()]
    if name == "supernet":
        return f"supernet/{scale.preset}" if scale else known[0]
    if name.startswith("timm/"):
        from tickets.host import host_spec  # only here, since it imports torch and timm

        host_spec(name)
    elif name not in known:
        raise unknown("host", name, ["supernet", *known, "timm/MODEL"])
    return name


def _above_zero(budget: float) -> float:
    if not (math.isfinite(budget) and budget > 0):
        raise UserError(f"--budget is {budget}; give a factor above 0, e.g. 0.5 for half of all steps.")
    return budget


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
