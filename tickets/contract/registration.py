"""What members of all nouns promise of their name: the facts that planning knows, and the options."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from tickets.contract.promise import require
from tickets.errors import UserError
from tickets.registry import Registry, validated
from tickets.traits import Traits

ODD = ("nonsense", "nan", "-1", "0", "1e9")
"""What is tried for every option."""


def is_registered(registry: Registry[Any], name: str) -> bool:
    """Whether a name is one of a registry's, so that what others find under it can be asked."""
    try:
        registry.resolve(name)
    except UserError:
        return False
    return True


def facts(registry: Registry[Any], name: str, member: Any) -> str:
    """What planning knows of a member without importing it is what it says itself, and its version is a number."""
    version = getattr(member, "version", None)
    require(isinstance(version, int) and version >= 1, f"its version is {version!r}, not a whole number from 1 on")
    traits = getattr(member, "traits", Traits())
    require(isinstance(traits, Traits), f"its traits are {traits!r}, no tickets.Traits")
    if not is_registered(registry, name):
        return f"version {version}; not registered as {name}, so no table is compared"
    known = registry.traits(name)
    wrong = [f.name for f in fields(Traits) if getattr(known, f.name) != getattr(traits, f.name)]
    require(not wrong, f"{' and '.join(wrong)}: the table of {registry.noun}s says {known}, the class {traits}")
    told = (f"{f.name}={getattr(traits, f.name)}" for f in fields(Traits) if getattr(traits, f.name) != f.default)
    return ", ".join([f"version {version}", *told])


def options(registry: Registry[Any], name: str, member: Any) -> str:
    """Odd values of every option are taken, or refused in a sentence; a text is never taken for a number."""
    if not is_dataclass(member) or not fields(member):
        return "it has none"
    cls: Any = type(member)
    require(cls.__dataclass_params__.frozen, f"{cls.__name__} is no frozen dataclass, so its options can be changed")
    own = {f.name: getattr(member, f.name) for f in fields(member)}
    refused = 0
    for option, now in own.items():
        for value in ODD:
            try:
                made = validated(cls, registry.noun, name, {**own, option: value}, {option: value})
            except UserError as error:
                require("\n" not in str(error), f"{option}={value} is refused in several lines: {error}")
                refused += 1
                continue
            taken = getattr(made, option)
            wrong = isinstance(taken, str) and not isinstance(now, str)
            require(not wrong, f"{option}={value} is taken as a text, where {now!r} is meant; give it a type")
    return f"{', '.join(own)}: {refused} of {len(own) * len(ODD)} odd values are refused"
