"""What the command line asks for when only a few flags are given, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.request.config import RunConfig, parse
from bench.request.plan import Job
from bench.request.sweep import DEFAULTS

WHOLE: dict[str, Any] = {
    "scale": "tiny", "host": "supernet", "budget": 1.0, "equal": "steps", "precision": "float32", "compiled": False,
    "threads": 1, "device": "cpu", "data_root": None, "home": Path("runs"), "workers": 0, "jobs": 2, "force": False,
}  # fmt: skip
"""All but the sweep."""


def config(**changes: object) -> RunConfig:
    """A configuration that differs from the demo in these flags."""
    asked = {**DEFAULTS, **WHOLE, **changes}
    sweep = {key: asked.pop(key) for key in DEFAULTS}
    return parse(sweeps=[sweep], **asked)


def kinds(found: list[Job]) -> dict[str, int]:
    """How many jobs of each kind or control."""
    names = [job.control or job.kind for job in found]
    return {name: names.count(name) for name in dict.fromkeys(names)}
