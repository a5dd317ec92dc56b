"""Records of older schemas, brought up to this version's: one small function for each step between two numbers.

A step takes the JSON data of a record of schema n, which it may change, and returns those of schema n + 1; it needs
not set the number. Whoever raises `bench.records.record.SCHEMA` to n + 1 adds the step from n here, so that every
record ever published still loads. What a step cannot read it leaves alone: the record's own check says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tickets.errors import short

Step = Callable[[dict[str, Any]], dict[str, Any]]

OF_JOB, OF_TRAINING = ("scale", "host", "budget", "equal"), ("precision", "compiled")
"""What schema 1 told in `job` alone, and in `config.settings`, where it is told still."""


def setting_apart(old: dict[str, Any]) -> dict[str, Any]:
    """Schema 1 -> 2: everything beside the job that decides a result is one object, `setting`.

    A transform was always a control then. All else that is new has a default, which says the same as its absence.
    """
    job, settings = _part(old, "job"), _part(_part(old, "config"), "settings")
    told = {name: job.pop(name) for name in OF_JOB if name in job}
    told |= {name: settings[name] for name in OF_TRAINING if name in settings}
    told |= {"threads": old.pop("threads")} if "threads" in old else {}
    if isinstance(device := old.get("device"), str):
        told["device"] = "cpu" if device.startswith("cpu") else "cuda"
    if job.get("transform") and not job.get("control"):
        job["control"] = job["transform"]
    return {**old, "setting": told}


def _part(data: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under a key; an empty one where there is none."""
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def kernels_told(old: dict[str, Any]) -> dict[str, Any]:
    """Schema 2 -> 3: search blocks may be computed by other kernels than PyTorch's, which were the only ones.

    The command that draws a ticket again would now leave the choice to the machine.
    """
    redraw = old.get("redraw")
    return {**old, "redraw": f"{redraw} --kernels torch"} if isinstance(redraw, str) else old


STEPS: dict[int, Step] = {1: setting_apart, 2: kernels_told}
"""By the number of the schema that it starts from."""


def upgraded(data: dict[str, Any], newest: int, steps: Mapping[int, Step] = STEPS) -> dict[str, Any]:
    """A record's data as the newest schema has them.

    Args:
        data: as read from the file; may be modified.
        newest: the schema that is wanted.
        steps: what leads there.

    Raises:
        ValueError: the data name no schema, a newer one, or one that no step leads on from; part of a sentence.

    Example:
        >>> upgraded({"schema": 1, "minutes": 3}, 2, {1: lambda old: {"wall_s": 60 * old["minutes"]}})
        {'wall_s': 180, 'schema': 2}
    """
    number = data.get("schema")
    if type(number) is not int:
        raise ValueError(f"its schema is {short(repr(number))}, and this version reads {newest}; it is no record")
    if number > 10**9:
        raise ValueError(f"its schema is beyond any number of one, and this version reads {newest}; it is no record")
    if number > newest:
        raise ValueError(
            f"its schema is {number}, and this version reads {newest}; it needs the newer ticketbench that wrote it"
        )
    while number < newest:
        if number not in steps:
            raise ValueError(f"its schema is {number}, and this version reads {newest}; no step leads on from it")
        number += 1
        data = {**steps[number - 1](data), "schema": number}
    return data
