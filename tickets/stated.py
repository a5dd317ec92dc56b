"""What identities state of an object: all its fields, but those that came later only where they are not the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields
from typing import Any

LATER: Mapping[str, Any] = {"stated": "unless default"}
"""`field(default=..., metadata=LATER)`: a field that was added after tickets with the default had been published."""

ELSEWHERE: Mapping[str, Any] = {"stated": "elsewhere"}
"""`field(default=..., metadata=ELSEWHERE)`: a field that identities state under another name."""


def stated(value: Any) -> dict[str, Any]:
    """A dataclass as plain values, without what older identities did not know.

    Args:
        value: an instance of a dataclass.

    Example:
        >>> from dataclasses import dataclass, field
        >>> @dataclass
        ... class Knobs:
        ...     rate: float = 0.2
        ...     depth: int = field(default=1, metadata=LATER)
        >>> stated(Knobs()), stated(Knobs(depth=2))
        ({'rate': 0.2}, {'rate': 0.2, 'depth': 2})
    """
    left_out = {
        f.name
        for f in fields(value)
        if f.metadata.get("stated") == "elsewhere"
        or (f.metadata.get("stated") == "unless default" and getattr(value, f.name) == _default(f))
    }
    return {name: part for name, part in asdict(value).items() if name not in left_out}


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()
