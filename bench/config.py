"""What a run is asked for: one frozen object, every mistake of it told at once, before anything is touched."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import flags
from bench import scale as scales
from bench.scale import Scale
from tasks import TASKS
from tickets import drawers
from tickets.errors import UserError, unknown
from tickets.recipes import FROM_REWIND_POINT, ON_SOURCE, RECIPES

CONTROLS = ("dense", "random", "native", "none")
HEADS = ("fresh", "keep")
EQUAL = ("steps", "macs")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class RunConfig:
    """A grid of jobs and how to run them; names are resolved, lists have no duplicates.

    The fields down to `data_root` say what is computed; the others only how it is run.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    drawers: tuple[str, ...]
    sparsities: tuple[float, ...]
    recipes: tuple[str, ...]
    seeds: tuple[int, ...]
    controls: tuple[str, ...]
    head: str
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


def parse(
    *,
    source: str,
    target: str,
    drawer: str,
    sparsity: str,
    recipe: str,
    seed: str,
    control: str,
    head: str,
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
) -> RunConfig:
    """Check what the command line gave and resolve it.

    Raises:
        UserError: lists every mistake, each with the value received and what is allowed.
    """
    mistakes: list[str] = []

    def checked(check: Callable[..., Any], *args: Any) -> Any:
        try:
            return check(*args)
        except UserError as error:
            mistakes.append(str(error))
            return None

    fields = {
        "sources": checked(_names, source, TASKS.resolve, "source"),
        "targets": () if target == "none" else checked(_names, target, TASKS.resolve, "target"),
        "drawers": checked(_names, ",".join(drawers.names()) if drawer == "all" else drawer, drawers.resolve, "drawer"),
        "sparsities": checked(_numbers, sparsity, _sparsity, "sparsity"),
        "recipes": checked(_names, recipe, RECIPES.resolve, "recipe"),
        "seeds": checked(_numbers, seed, _seed, "seed"),
        "controls": checked(_controls, control),
        "head": checked(flags.one_of, head, HEADS, "head"),
        "budget": checked(_above_zero, budget),
        "equal": checked(flags.one_of, equal, EQUAL, "equal"),
        "precision": checked(flags.one_of, precision, PRECISIONS, "precision"),
        "compiled": checked(flags.compiler, compiled),
        "device": checked(flags.device, device),
        "data_root": checked(flags.data_root, data_root),
        "home": checked(_writable, home),
    }
    fields["scale"] = checked(scales.load, scale, fields["budget"] or 1.0)
    fields["host"] = checked(_host, host, fields["scale"])
    for name, value, least in (("threads", threads, 1), ("workers", workers, 0), ("jobs", jobs, 1)):
        if value < least:
            mistakes.append(f"--{name} is {value}; give a whole number of at least {least}.")
    if mistakes:
        raise UserError(" ".join(dict.fromkeys(mistakes)))
    found = RunConfig(**fields, threads=threads, workers=workers, jobs=jobs, force=force)
    _fits(found)
    return found


def _fits(config: RunConfig) -> None:
    """What is allowed alone but not together."""
    pairs = [(source, target) for source in config.sources for target in config.targets]
    if config.head == "keep":
        for source, target in pairs:
            if source.partition("/")[0] != target.partition("/")[0]:
                raise UserError(
                    f"--head keep cannot carry a head from {source} to {target}; give tasks of one kind, or "
                    "--head fresh."
                )
    for recipe in config.recipes:
        if recipe in ON_SOURCE and pairs and all(source != target for source, target in pairs):
            raise UserError(
                f"the recipe {recipe} trains a ticket on, on its own source; name a source among the targets, "
                f"as in --source {config.sources[0]} --target {config.sources[0]}."
            )
    traits = {name: drawers.traits(name) for name in config.drawers}
    for recipe in FROM_REWIND_POINT.intersection(config.recipes):
        for name in (name for name, facts in traits.items() if not facts.rewinds):
            able = [other for other, method in drawers.METHODS.items() if method.traits.rewinds]
            raise UserError(
                f"the recipe {recipe} needs a rewind point and the drawer {name} keeps none; draw with "
                f"{', '.join(able)}."
            )
    if not config.host.startswith("supernet/"):
        for name in (name for name, facts in traits.items() if facts.searches):
            able = [other for other, method in drawers.METHODS.items() if not method.traits.searches]
            raise UserError(
                f"the drawer {name} searches an architecture and needs the supernet; {config.host} has no units to "
                f"search; leave --host out, or draw with {', '.join(able)}."
            )
        _check_sizes(config)


def _check_sizes(config: RunConfig) -> None:
    from tickets.host import check_size, host_spec  # only here, since it imports torch

    for task in dict.fromkeys((*config.sources, *config.targets)):
        check_size(host_spec(config.host), config.host, config.scale.plan(task).size)


def _host(name: str, scale: Scale | None) -> str:
    """The host's full name; "supernet" alone means the scale's preset."""
    presets = [scales.load(each).preset for each in scales.names()]
    known = [f"supernet/{preset}" for preset in presets]
    if name == "supernet":
        return f"supernet/{scale.preset if scale else presets[0]}"
    if name.startswith("timm/"):
        from tickets.host import host_spec  # only here, since it imports torch and timm

        host_spec(name)
    elif name not in known:
        raise unknown("host", name, ["supernet", *known, "timm/MODEL"])
    return name


def _split(text: str, flag: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UserError(f"--{flag} '{text}' has an empty entry; give names or numbers separated by commas.")
    return parts


def _names(text: str, resolve: Callable[[str], str], flag: str) -> tuple[str, ...]:
    return _unique(resolve(part) for part in _split(text, flag))


def _numbers(text: str, parse_one: Callable[[str], Any], flag: str) -> tuple[Any, ...]:
    return _unique(parse_one(part) for part in _split(text, flag))


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _sparsity(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1:
        raise UserError(
            f"sparsity '{text}' is not allowed: it is the removed share of the weights, a number from 0 to "
            "below 1; give e.g. 0.9."
        )
    return value


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise UserError(f"seed '{text}' is not a whole number of at least 0; give e.g. 0 or 0,1,2.")
    return int(text)


def _controls(text: str) -> tuple[str, ...]:
    found = _unique(flags.one_of(part, CONTROLS, "control") for part in _split(text, "control"))
    if "none" in found and len(found) > 1:
        raise UserError(f"--control '{text}' asks for none and for others; give one or the other.")
    return () if found == ("none",) else found


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
