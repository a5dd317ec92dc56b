"""Texts of strangers as a terminal, a table and a person may see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

DEEPEST = 64
"""How deep data of a stranger may be nested."""


def plain(text: str, allowed: str = "") -> str:
    r"""A text whose signs can all be printed: others stand as escapes, those that steer a terminal above all.

    Args:
        text: any.
        allowed: signs that cannot be printed and stay, as line ends.

    Example:
        >>> plain("a\x1b[2Jb")
        'a\\x1b[2Jb'
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in allowed else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return ascii(sign)[1:-1]


def texts(data: Any, deepest: int = DEEPEST) -> Iterator[tuple[str, str]]:
    """(key with dots, text) of every text in JSON data, keys of objects included; no recursion.

    Raises:
        ValueError: it is nested deeper.
    """
    left: list[tuple[str, Any, int]] = [("", data, 0)]
    while left:
        key, value, depth = left.pop()
        if depth > deepest:
            raise ValueError(f"it is nested more than {deepest} deep")
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, dict):
            for name, one in value.items():
                yield key, name
                left.append((f"{key}.{name}" if key else name, one, depth + 1))
        elif isinstance(value, list):
            left += [(key, one, depth + 1) for one in value]
