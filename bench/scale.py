"""A scale: which supernet, which input sizes and how many steps, as data in bench/scales/NAME.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from tasks import TASKS
from tickets.errors import UserError, unknown

if TYPE_CHECKING:
    from tasks.base import Task

FOLDER = Path(__file__).parent / "scales"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Phase(_Part):
    """A training.

    Args:
        steps: of the optimiser.
        learning_rate: its peak.
        rho: weight of the penalty of searching drawers.
        interval: fraction of training between the prunings of drawers that have such an option; None for theirs.
    """

    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    rho: float = Field(default=0.0, ge=0)
    interval: float | None = Field(default=None, gt=0, lt=1)


class Plan(_Part):
    """What a scale says about one task.

    Args:
        size: input (H, W) in pixels.
        batch_size: images a training batch.
        draw: the training in which a ticket is drawn.
        transfer: the training on the target; the scratch references get the same.
        weight_decay: L2 factor on weights.
        optimizer, eps, schedule, decay, falls, warmup: as `tickets.training.Settings` has them.
        options: fields of the task's adapter, as pipeline: full.
    """

    size: tuple[int, int]
    batch_size: int = Field(ge=1)
    draw: Phase
    transfer: Phase
    weight_decay: float = Field(default=1e-5, ge=0)
    optimizer: Literal["adam", "rmsprop"] = "adam"
    eps: float = Field(default=1e-8, gt=0)
    schedule: Literal["onecycle", "staircase", "multistep"] = "onecycle"
    decay: float = Field(default=0.1, gt=0, le=1)
    falls: tuple[float, ...] = ()
    warmup: float = Field(default=0.0, ge=0, lt=1)
    options: dict[str, Any] = {}

    def task(self, name: str, root: Path | None) -> Task:
        """The adapter of a task as this plan wants it.

        Raises:
            UserError: the adapter does not know an option.
        """
        adapter = TASKS.load(name)
        known = [field.name for field in fields(adapter) if field.name not in ("size", "root", "cache")]
        for option in self.options:
            if option not in known:
                raise UserError(f"the scale sets {option} for {name}, whose options are {', '.join(known)}.")
        return adapter(size=self.size, root=root, **self.options)


class Scale(_Part):
    """A named scale.

    Args:
        name: as in "tiny".
        preset: the supernet's preset.
        heads: "light" or "paper".
        plans: by kind ("cls", "seg", "pose") or by task ("seg/camvid"); the nearest one counts.
    """

    name: str
    preset: str
    heads: str
    plans: dict[str, Plan]

    def plan(self, task: str) -> Plan:
        """What the scale says about a task: its own entry, or that of its kind."""
        return self.plans.get(task) or self.plans.get(task.partition("/")[0]) or self.plans["default"]


def names() -> list[str]:
    """The scales that exist, the default first."""
    found = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    return sorted(found, key=lambda name: name != "tiny")


def presets() -> list[str]:
    """The supernet presets that scales use, the default scale's first; each names a scale too."""
    return list(dict.fromkeys(_read(name)["preset"] for name in names()))


def load(name: str, budget: float = 1.0) -> Scale:
    """Read a scale and multiply all its steps.

    Args:
        name: one of `names()`.
        budget: factor on every number of steps, above 0; a phase keeps at least one step.

    Raises:
        UserError: no scale of that name.
    """
    if name not in names():
        raise unknown("scale", name, names())
    data = _read(name)
    preset, heads = data.pop("preset"), data.pop("heads")
    kinds, tasks = data.pop("kinds", {}), data.pop("tasks", {})
    plans = {"default": data}
    for kind, entry in kinds.items():
        plans[kind] = _merged(data, entry)
    for task, entry in tasks.items():
        plans[task] = _merged(plans.get(task.partition("/")[0], data), entry)
    scaled = {key: _budgeted(plan, budget) for key, plan in plans.items()}
    return Scale(name=name, preset=preset, heads=heads, plans=scaled)


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
    both = {k: {**base.get(k, {}), **v} if isinstance(v, Mapping) else v for k, v in over.items()}
    return {**base, **both}


def _budgeted(plan: Mapping[str, Any], budget: float) -> dict[str, Any]:
    phases = {
        phase: {**plan[phase], "steps": max(1, round(plan[phase]["steps"] * budget))}
        for phase in ("draw", "transfer")
    }
    return {**plan, **phases}
