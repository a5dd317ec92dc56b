"""A scale: which supernet, which input sizes and how many steps, as data in bench/request/scales/NAME.yaml."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.request import written
from tasks import TASKS
from tickets.drawers import DRAWERS
from tickets.errors import UserError, short, unknown

if TYPE_CHECKING:
    from tasks.base import Task

FOLDER = Path(__file__).parent / "scales"
PHASES = ("draw", "transfer")
WHOLE = ("preset", "heads")
PRESETS = "presets"


Side = Annotated[int, Field(ge=1, le=65_536)]
"""Pixels."""


Share = Annotated[float, Field(ge=0, lt=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Phase(_Part):
    """A training.

    Args:
        steps: of the optimiser.
        learning_rate: its peak.
    """

    steps: int = Field(ge=1, le=10**9)
    learning_rate: float = Field(gt=0, le=1e6)


class Plan(_Part):
    """What a scale says about one task.

    Args:
        size: input (H, W) in pixels.
        batch_size: images a training batch.
        draw: the training in which a ticket is drawn.
        transfer: the training on the target; the scratch references get the same.
        weight_decay: L2 factor on weights.
        optimizer, eps, beta, beta_range, schedule, decay, falls, warmup, average_from: as
            `tickets.training.settings.Settings` has them.
        calibration: images over which batch-norm statistics are recomputed, in whole batches; None for ten batches.
        options: fields of the task's adapter, as pipeline: full.
        drawers: options of drawers, by the first part of their names or by all of it, as supertickets: {rho: 0.001};
            they hold where the drawer has such an option and its name does not say otherwise.
    """

    size: tuple[Side, Side]
    batch_size: int = Field(ge=1, le=10**6)
    draw: Phase
    transfer: Phase
    weight_decay: float = Field(default=1e-5, ge=0, le=1e6)
    optimizer: Literal["adam", "rmsprop", "rmsprop/as_released"] = "adam"
    eps: float = Field(default=1e-8, gt=0, le=1)
    beta: float = Field(default=0.9, ge=0, lt=1)
    beta_range: tuple[Share, Share] | tuple[()] = ()
    schedule: Literal["onecycle", "staircase", "multistep"] = "onecycle"
    decay: float = Field(default=0.1, gt=0, le=1)
    falls: tuple[float, ...] = ()
    warmup: float = Field(default=0.0, ge=0, lt=1)
    average_from: int = Field(default=0, ge=0, le=10**9)
    calibration: int | None = Field(default=None, ge=1, le=10**9)
    options: dict[str, Any] = {}
    drawers: dict[str, dict[str, Any]] = {}

    @property
    def calibration_batches(self) -> int:
        """Batches that hold the images of the calibration."""
        return 10 if self.calibration is None else math.ceil(self.calibration / self.batch_size)

    def knobs(self, drawer: str) -> dict[str, Any]:
        """What the scale says to a drawer: under the first part of its name, then under the whole of it."""
        own, _ = DRAWERS.parts(drawer)
        return {**self.drawers.get(own.partition("/")[0], {}), **self.drawers.get(own, {})}

    def budgeted(self, factor: float) -> Plan:
        """The plan with so many times the steps, at least one a phase."""
        phases = {name: getattr(self, name) for name in PHASES}
        steps = {name: max(1, round(phase.steps * factor)) for name, phase in phases.items()}
        return self.model_copy(
            update={name: phase.model_copy(update={"steps": steps[name]}) for name, phase in phases.items()}
        )

    def task(self, name: str, root: Path | None) -> Task:
        """The adapter of a task as this plan wants it.

        Raises:
            UserError: the adapter does not know an option.
        """
        adapter = TASKS.load(name)
        given = {"size": self.size, "root": root, **self.options}
        known = [field.name for field in fields(adapter) if field.name not in ("size", "root", "cache")]
        for option in self.options:
            if option not in known:
                raise UserError(f"the scale sets {option} for {name}, whose options are {', '.join(known)}.")
        return TASKS.make(name, given) if "@" in name else adapter(**given)


class Scale(_Part):
    """A named scale.

    Args:
        name: as in "tiny", or with its options "tiny@batch_size=16".
        preset: the supernet's preset.
        presets: other ones of runs whose tickets are all drawn, or whose references are all trained, on one kind.
        heads: "light" or "paper".
        plans: by kind (as "cls") or by task ("seg/camvid"); the nearest one counts.
    """

    name: str
    preset: Literal["tiny", "small", "paper"]
    heads: Literal["light", "paper"]
    plans: dict[str, Plan]
    presets: dict[str, Literal["tiny", "small", "paper", "paper_pose"]] = {}

    def plan(self, task: str) -> Plan:
        """What the scale says about a task: its own entry, or that of its kind."""
        return _nearest(self.plans, task)

    def preset_of(self, tasks: Iterable[str]) -> str:
        """The supernet's preset of a run that draws on these tasks: that of their kind, where they are of one."""
        kinds = {name.partition("/")[0] for name in tasks}
        return self.presets.get(kinds.pop(), self.preset) if len(kinds) == 1 else self.preset


def names() -> list[str]:
    """The scales that exist, the default first."""
    found = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    return sorted(found, key=lambda name: name != "tiny")


def presets() -> list[str]:
    """The supernet presets that scales use, the default scale's first; each names a scale too."""
    return list(dict.fromkeys(_read(name)["preset"] for name in names()))


def load(name: str, budget: float = 1.0) -> Scale:
    """Read a scale, change what its options say and multiply all its steps.

    Args:
        name: one of `names()`, options behind it, as in "tiny@batch_size=16@seg.draw.steps=100": a key of `Plan`, with
            dots for what lies deeper, after the kind or task it is for, or for all where none is named. `preset`
            and `heads` belong to the whole scale.
        budget: factor on every number of steps, above 0; a phase keeps at least one step.

    Raises:
        UserError: no scale of that name, an unknown option or a value that is not allowed.
    """
    base, *options = name.split("@")
    if base not in names():
        raise unknown("scale", base, names())
    data = _read(base)
    whole = {key: data.pop(key) for key in WHOLE} | {PRESETS: data.pop(PRESETS, {})}
    kinds, tasks = data.pop("kinds", {}), data.pop("tasks", {})
    plans = {"default": data}
    for kind, entry in kinds.items():
        plans[kind] = _merged(data, entry)
    for task, entry in tasks.items():
        plans[task] = _merged(_nearest(plans, task), entry)
    given = dict(_option(option) for option in options)
    for key, value in given.items():
        if key in WHOLE:
            whole |= {key: value} | ({PRESETS: {}} if key == "preset" else {})
        else:
            _override(plans, key, value)
    try:
        full = Scale.model_validate({"name": "@".join([base, *sorted(options)]), "plans": plans, **whole})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][2:])) or str(first["loc"][0])
        why = first["msg"][0].lower() + first["msg"][1:]
        raise UserError(f"scale {short(name)}: {where} is {repr(first['input'])[:80]}; {why}.") from error
    return full.model_copy(update={"plans": {key: plan.budgeted(budget) for key, plan in full.plans.items()}})


DIGITS = 20  # of a side; Python itself reads no number of thousands


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise UserError(f"'{short(text)}' is no option of a scale; write scale@key=value, as in tiny@batch_size=16.")
    sides = value.split("x")
    if key.endswith("size") and len(sides) == 2 and all(side.isdecimal() and len(side) < DIGITS for side in sides):
        return key, [int(side) for side in sides]
    try:
        return key, written.read(value)
    except ValueError as error:
        raise UserError(
            f"the option '{text[:80]}' of a scale has no value that YAML can read; write e.g. x=8."
        ) from error


def _override(plans: dict[str, dict[str, Any]], key: str, value: Any) -> None:
    """Change an entry of all plans, or of those of the kind or task that the key starts with."""
    owner, _, rest = key.partition(".")
    if "/" in owner or owner in _kinds():
        owner = TASKS.resolve(owner) if "/" in owner else owner
        plans.setdefault(owner, _nearest(plans, owner))
        touched, path = [name for name in plans if name == owner or name.startswith(f"{owner}/")], rest.split(".")
    else:
        touched, path = list(plans), key.split(".")
    name, known = ".".join(path), [*Plan.model_fields, *_phase_keys(), "drawers.NAME.OPTION"]
    if name not in known and (path[0], len(path)) not in (("options", 2), ("drawers", 3)):
        raise unknown("option of a scale", name, [*WHOLE, *known])
    for part in reversed(path[1:]):
        value = {part: value}
    for entry in touched:
        plans[entry] = _merged(plans[entry], {path[0]: value})


def _kinds() -> set[str]:
    """The kinds of all tasks that are known, other packages' included."""
    return {name.partition("/")[0] for name in TASKS.names()}


def _phase_keys() -> list[str]:
    return [f"{phase}.{key}" for phase in PHASES for key in Phase.model_fields]


def _nearest(plans: Mapping[str, Any], task: str) -> Any:
    """The entry of a task, or of its kind, or the default; what stands behind an @ is not looked at."""
    own, _, _ = task.partition("@")
    return plans.get(own) or plans.get(own.partition("/")[0]) or plans["default"]


def _read(name: str) -> dict[str, Any]:
    """The entries of a scale's file, over those of the scale that it extends."""
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    if (base := data.pop("extends", None)) is None:
        return data
    below = _read(base)
    for group in ("kinds", "tasks"):
        both = {**below.get(group, {})}
        for key, entry in data.pop(group, {}).items():
            both[key] = _merged(both.get(key, {}), entry)
        below[group] = both
    return _merged(below, data)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """One entry over another, also where they lie deeper."""
    below = {k: old if isinstance(old := base.get(k), Mapping) else {} for k in over}
    both = {k: _merged(below[k], v) if isinstance(v, Mapping) else v for k, v in over.items()}
    return {**base, **both}
