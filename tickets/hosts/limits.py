"""What numbers an architecture may have: nothing is built of others, whoever asks for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tickets.errors import UserError
from tickets.search.searchable import Units

WIDEST = 65_536
"""Channels, units and other sizes of a layer."""
LONGEST = 2_000
"""Blocks of a host, and steps in time."""


def whole(name: str, values: Iterable[Any], most: int = WIDEST, least: int = 1) -> None:
    """See that sizes are whole numbers from `least` to `most`.

    Raises:
        UserError: one is not; part of a sentence, as members' own checks raise it.
    """
    for value in values:
        if type(value) is not int or not least <= value <= most:
            raise UserError(f"{name} is {_shown(value)}; give a whole number from {least} to {most:,}")


def above(name: str, value: Any, most: float = 1e6) -> None:
    """See that a number is above 0 and no larger than `most`.

    Raises:
        UserError: it is not; part of a sentence.
    """
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 < value <= most:
        raise UserError(f"{name} is {_shown(value)}; give a number above 0 and at most {most:g}")


def units(found: Mapping[str, Units], kernels: Iterable[int]) -> None:
    """See that the units which a search left belong to kernels that there are.

    Raises:
        UserError: a kernel is unknown, or a number of units is none; part of a sentence.
    """
    known = set(kernels)
    for block, by_kernel in found.items():
        if strange := by_kernel.keys() - known:
            raise UserError(
                f"block {_shown(block)} has units of the kernel {_shown(min(strange))}; kernels are "
                f"{', '.join(map(str, sorted(known)))}"
            )
        whole(f"the units of block {_shown(block)}", by_kernel.values(), least=0)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
