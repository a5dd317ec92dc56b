"""The processes that torchrun started this command in, as its environment tells them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bench.engines.choice import LOCAL
from tickets.errors import UserError

START = "torchrun --nproc-per-node {} -m bench.run"


def launched() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def rank() -> int:
    """The number of this one."""
    return int(os.environ["RANK"]) if launched() > 1 else 0


def local() -> int:
    """Its number on this machine."""
    return int(os.environ["LOCAL_RANK"]) if launched() > 1 else 0


def chosen(setting: Mapping[str, Any], jobs: int, engine: str) -> int:
    """The processes of a job: those that torchrun started.

    Args:
        setting: what was asked for, by the fields of `Setting`.
        jobs: at once.
        engine: that does them.

    Raises:
        UserError: others were asked for, or something that one job in several processes cannot have.
    """
    asked, there = setting.get("ranks", 1), launched()
    if asked not in (1, there):
        command = START.format(asked)
        raise UserError(
            f"--ranks is {asked}, and this command runs in {there} process{'es' * (there > 1)}; start {command}."
        )
    if there > 1 and setting.get("compiled"):
        raise UserError(f"--compile traces no job of {there} processes; leave it out, or torchrun.")
    if there > 1 and jobs > 1:
        raise UserError(
            f"--jobs is {jobs}, and torchrun has its {there} processes do one job at a time; give --jobs 1."
        )
    if there > 1 and engine != LOCAL:
        raise UserError(
            f"--engine is {engine}, and torchrun has started this command already; leave one of the two out."
        )
    return there
