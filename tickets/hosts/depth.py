"""Hosts of one family, which differ in how often their blocks repeat: what they share, tensors of one in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from tickets.errors import UserError

V = TypeVar("V")
Copies = Mapping[str, Sequence[str]]
"""By each block of a host, those of another one that are copies of it, as prefixes of names; none of one that is left
out."""


@dataclass(frozen=True)
class Family:
    """A host as one of a family that differs in its depth.

    Args:
        shared: what all of the family have alike, as text by what it is called; hosts of which that is equal are of
            one family where their other tensors fit, too.
        stages: by stage, in order, the blocks that there may be more or fewer of, by the prefix of their tensors'
            names; those of a stage have tensors of the same names and shapes.
    """

    shared: Mapping[str, str]
    stages: Mapping[str, tuple[str, ...]]

    def refuse_unlike(self, other: Family, names: tuple[str, str]) -> None:
        """See that two hosts are of one family.

        Args:
            other: the second host.
            names: of both, for the message.

        Raises:
            UserError: they are not; says in what they differ.
        """
        for what in dict.fromkeys([*self.shared, *other.shared]):
            own, theirs = (one.shared.get(what, "none") for one in (self, other))
            if own != theirs:
                raise UserError(
                    f"{names[0]} has {what} {own} and {names[1]} {theirs}; stretch inside one family of hosts."
                )


def carried(named: Mapping[str, V], copies: Copies) -> dict[str, V]:
    """What one host names, tensors above all, as another one names it: copies, and every name is written once.

    Raises:
        ValueError: two would be written under one name.
    """
    found: dict[str, V] = {}
    for name, value in named.items():
        for goal in _goals(name, copies):
            if goal in found:
                raise ValueError(f"'{goal}' is written twice, the second time from '{name}'")
            found[goal] = deepcopy(value)
    return found


def _goals(name: str, copies: Copies) -> list[str]:
    """What a name of one host becomes: the same name, or those in the copies of the block that it lies in."""
    block = next((prefix for prefix in copies if f"{name}.".startswith(f"{prefix}.")), None)
    return [name] if block is None else [goal + name[len(block) :] for goal in copies[block]]


def fitted(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], names: tuple[str, str]) -> dict[str, Tensor]:
    """Tensors in the order of those that are wanted.

    Args:
        found: by name.
        wanted: names and shapes.
        names: of the hosts that these are from, for the message.

    Raises:
        UserError: one was not written, is not wanted, or has another shape; names it.
    """
    for name in dict.fromkeys([*wanted, *found]):
        shapes = [str(list(of[name].shape)) if name in of else "absent" for of in (found, wanted)]
        if shapes[0] != shapes[1]:
            raise UserError(
                f"'{name}' is {shapes[0]} in what {names[0]} gives and {shapes[1]} in {names[1]}; stretch inside one "
                "family of hosts."
            )
    return {name: found[name] for name in wanted}
