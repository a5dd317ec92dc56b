"""What the command line asks for when only a few flags are given, and what comes of it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.jobs.work import Facts
from bench.records.setting import Setting
from bench.request.config import How, RunConfig, parse
from bench.request.plan import Job
from bench.request.sweep import DEFAULTS


def config(mistakes: tuple[str, ...] = (), sweeps: list[dict[str, str]] | None = None, **changes: Any) -> RunConfig:
    """A configuration that differs from the demo in these flags of a sweep, fields of `Setting`, or of `How`.

    Args:
        mistakes: known so far.
        sweeps: in place of the demo's one.
        changes: by name, wherever they belong.
    """
    sweep = {**DEFAULTS, **{key: changes.pop(key) for key in DEFAULTS if key in changes}}
    setting = {key: changes.pop(key) for key in Setting.model_fields if key in changes}
    how = {one.name: changes.pop(one.name) for one in fields(How) if one.name in changes}
    assert not changes, f"nothing is called {', '.join(changes)}"
    return parse(sweeps or [sweep], setting, How(**{"home": Path("runs"), **how}), mistakes)


def facts(asked: RunConfig, home: Path = Path("no-such-home"), **more: Any) -> Facts:
    """What the jobs of a configuration share, without data."""
    return Facts(asked.setting, asked.scale, **{"tasks": {}, "fingerprints": {}, "home": home, **more})


def kinds(found: list[Job]) -> dict[str, int]:
    """How many jobs of each kind or control."""
    names = [job.control or job.kind for job in found]
    return {name: names.count(name) for name in dict.fromkeys(names)}
