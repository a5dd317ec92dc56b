"""A scale: which supernet, which input sizes and how many steps, as data in bench/scales/NAME.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from tickets.errors import unknown

FOLDER = Path(__file__).parent / "scales"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Phase(_Part):
    """A training: its steps and its peak learning rate; `rho` weighs the penalty of searching drawers."""

    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    rho: float = Field(default=0.0, ge=0)


class Plan(_Part):
    """What a scale says about one task.

    Args:
        size: input (H, W) in pixels.
        batch_size: images a training batch.
        draw: the training in which a ticket is drawn.
        transfer: the training on the target; the scratch references get the same.
        weight_decay: L2 factor on weights.
    """

    size: tuple[int, int]
    batch_size: int = Field(ge=1)
    draw: Phase
    transfer: Phase
    weight_decay: float = Field(default=1e-5, ge=0)


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
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    preset, heads = data.pop("preset"), data.pop("heads")
    kinds, tasks = data.pop("kinds", {}), data.pop("tasks", {})
    plans = {"default": data}
    for kind, entry in kinds.items():
        plans[kind] = _merged(data, entry)
    for task, entry in tasks.items():
        plans[task] = _merged(plans.get(task.partition("/")[0], data), entry)
    scaled = {key: _budgeted(plan, budget) for key, plan in plans.items()}
    return Scale(name=name, preset=preset, heads=heads, plans=scaled)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {k: {**base[k], **v} if isinstance(v, Mapping) else v for k, v in over.items()}
    return {**base, **both}


def _budgeted(plan: Mapping[str, Any], budget: float) -> dict[str, Any]:
    phases = {
        phase: {**plan[phase], "steps": max(1, round(plan[phase]["steps"] * budget))}
        for phase in ("draw", "transfer")
    }
    return {**plan, **phases}
