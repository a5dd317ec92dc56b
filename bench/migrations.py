"""Records of older schemas, brought up to this version's: one small function for each step between two numbers.

A step takes the JSON data of a record of schema n, which it may change, and returns those of schema n + 1; it needs
not set the number. Whoever raises `bench.record.SCHEMA` to n + 1 adds the step from n here, so that every record ever
published still loads. There has been one schema so far, hence no step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Step = Callable[[dict[str, Any]], dict[str, Any]]

STEPS: dict[int, Step] = {}
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
        raise ValueError(f"its schema is {number!r}, and this version reads {newest}; it is no record")
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
