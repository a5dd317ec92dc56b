"""Names of tasks, hosts, drawers, recipes, transforms, scorers and patterns, resolved without importing their members.

One grammar for all: a registered name, with options behind it where the defaults are not meant, as in
"imp@rounds=5" or "omp@allocation=erk@scorer=snip". Other packages add names under the registry's entry-point group.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property, lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from tickets.errors import UserError, unknown
from tickets.traits import Traits

T = TypeVar("T")

BY_HAND = "TICKETBENCH_MEMBERS"
"""The environment variable with the members of no installed package, as "GROUP/NAME=MODULE:ATTRIBUTE" parted by
spaces; processes that are started inherit them."""


@dataclass(frozen=True)
class Member:
    """One row of a registry's table.

    Args:
        target: "module:attribute"; a class, or an instance whose fields are the defaults.
        options: that make it this variant.
        traits: what planning must know, where that is known without importing it.
        note: what a list of names says behind this one; nothing where empty.
    """

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    traits: Traits | None = None
    note: str = ""


@dataclass(frozen=True)
class Registry(Generic[T]):
    """A table of names to members of one kind, open to other packages.

    Args:
        noun: what a member is, as in "task"; used in messages.
        builtin: the members that come with the project.
        group: entry-point group whose members are added.
        base: "module:class" that every member's class is derived from.
        example: a name with an option, for messages.
        aliases: other names of members, which really resolve to them.
        families: first part of a name to "module:function", which makes a member from what follows the slash, as
            "timm" in "timm/resnet18"; its members are not listed.
        beside: what else may be a name, for messages; nothing where empty.
    """

    noun: str
    builtin: Mapping[str, Member]
    group: str
    base: str
    example: str = "name@option=value"
    aliases: Mapping[str, str] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)
    beside: str = ""
    _asked: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @cached_property
    def _plugins(self) -> dict[str, list[EntryPoint]]:
        """Entry points of other packages by name; more than one where packages disagree."""
        found: dict[str, list[EntryPoint]] = {}
        installed = [*entry_points(group=self.group), *_by_hand(self.group)]
        for point in sorted(installed, key=lambda point: (point.name, point.value)):
            if not any(point.value == known.value for known in found.get(point.name, ())):
                found.setdefault(point.name, []).append(point)
        return found

    def register(self, name: str, target: str) -> None:
        """Add a member that no installed package registers, for this process and those that it starts from now on.

        What was added so under this name before is replaced, and its module imported anew, as after an edit.

        Args:
            name: without options.
            target: "module:attribute", the module in a file on Python's path; not `__main__`, which others cannot see.

        Raises:
            UserError: the name is taken or none, or the target cannot be loaded or is no such thing; nothing is added.
        """
        module, colon, attribute = target.partition(":")
        if not (name and module and colon and attribute) or module == "__main__" or set("@= \t\n") & {*name, *target}:
            raise UserError(
                f"'{name}' = '{target}' registers no {self.noun}; give a name and MODULE:CLASS, the module in a file "
                "of its own on Python's path, where other processes find it."
            )
        before, entry = os.environ.get(BY_HAND, ""), f"{self.group}/{name}"
        others = [one for one in before.split() if one.partition("=")[0] != entry]
        importlib.invalidate_caches()
        sys.modules.pop(module, None)
        try:
            self._take(" ".join([*others, f"{entry}={target}"]))
            self.load(name)
        except (UserError, KeyboardInterrupt):
            self._take(before)
            raise

    def also(self, name: str, other: str) -> None:
        """Know a built-in member by another name, too, in this process and those that it starts from now on.

        Args:
            name: that no member has.
            other: of the member.
        """
        entry = f"{self.group}/{name}={self.builtin[other].target}"
        self._take(" ".join([*os.environ.get(BY_HAND, "").split(), entry]))

    def other(self, name: str) -> str | None:
        """The built-in member whose other name this is; None where it is none such."""
        own, _ = self.parts(name)
        if own in self.builtin or own not in self._plugins:
            return None
        return next((one for one, row in self.builtin.items() if row.target == self._plugins[own][0].value), None)

    def _take(self, by_hand: str) -> None:
        os.environ[BY_HAND] = by_hand
        vars(self).pop("_plugins", None)

    def names(self) -> list[str]:
        """Every name: those that come with the project, then those of other packages."""
        return [*self.builtin, *(name for name in self._plugins if name not in self.builtin)]

    def note(self, name: str) -> str:
        """What a list of names says behind a member; nothing of those of other packages."""
        return self.builtin[name].note if name in self.builtin else ""

    def traits_by_name(self) -> Iterator[tuple[str, Traits]]:
        """The built-in members' names and facts."""
        return ((name, self.traits(name)) for name in self.builtin)

    def resolve(self, name: str) -> str:
        """A member's full name, its options sorted, and texts among them as the member itself puts them.

        Raises:
            UserError: there is none of that name (says the nearest one and lists all), two packages register it, or
                it has no such option, or the option's value is not allowed.

        Example:
            >>> table = {"cls/figures": Member("m:A")}
            >>> Registry("task", table, "no.group", "m:B", aliases={"cls": "cls/figures"}).resolve("cls")
            'cls/figures'
        """
        name, options = self.parts(name)
        self._check(name)
        if options or self._family(name):
            made = self.make(_joined(name, options))
            options |= {key: of for key in options if isinstance(of := getattr(made, key, None), str)}
        return _joined(name, options)

    def parts(self, name: str) -> tuple[str, dict[str, str]]:
        """A member's own name, aliases resolved, and its options as texts; neither is checked.

        Raises:
            UserError: what follows the name is not options.
        """
        own, *options = name.split("@")
        pairs = [option.partition("=") for option in options]
        for key, equals, value in pairs:
            if not (key and equals and value):
                raise UserError(f"'{name}' is no {self.noun} with options; write {self.example}.")
        return self.aliases.get(own, own), {key: value for key, _, value in pairs}

    def load(self, name: str) -> Any:
        """Import and return what a name without its options stands for: a class, or an instance of defaults.

        Raises:
            UserError: the name is unknown, or a plug-in cannot be imported or is no such thing (named, with the
                reason).
        """
        own, _ = self.parts(name)
        self._check(own)
        if make := self._family(own):
            return cast(Callable[[str], Any], _attribute(make))(own.partition("/")[2])
        if own in self.builtin:
            return _attribute(self.builtin[own].target)
        return self._plugin(own)

    def _plugin(self, own: str) -> Any:
        point = self._plugins[own][0]
        where = f"the plug-in {self.noun} '{own}' ({point.value})"
        owner = "the package that registers it" + (f", {point.dist.name}" if point.dist else "")
        try:
            found = _attribute(point.value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a module does while it is imported, sys.exit included
            why = " ".join(str(error).split()) or type(error).__name__
            why = f"it calls sys.exit({error.code!r})" if isinstance(error, SystemExit) else why
            raise UserError(f"{where} cannot be loaded: {why}; repair or uninstall {owner}.") from error
        base = _attribute(self.base)
        if not issubclass(found if isinstance(found, type) else type(found), base):
            raise UserError(
                f"{where} is a {type(found).__name__} and no {self.noun}; derive its class from "
                f"{base.__module__}.{base.__name__}, or uninstall {owner}."
            )
        return found

    def make(self, name: str, known: Mapping[str, Any] | None = None) -> T:
        """The configured member of a name.

        Args:
            name: with or without options.
            known: options that it has unless the name says otherwise; those that it does not know are passed over.

        Raises:
            UserError: as `resolve` and `load`.
        """
        own, options = self.parts(name)
        found = self.load(own)
        wanted = [f.name for f in fields(found)] if is_dataclass(found) else []
        for key in options:
            if key not in wanted:
                raise unknown(f"option of the {self.noun} {own}", key, wanted)
        row = self.builtin.get(own)
        useful = {key: value for key, value in (known or {}).items() if key in wanted}
        given = {**(row.options if row else {}), **useful, **options}
        if not isinstance(found, type):
            if not given:
                return cast(T, found)
            given = {**{f.name: getattr(found, f.name) for f in fields(found)}, **given}
        cls = found if isinstance(found, type) else type(found)
        return cast(T, validated(cls, self.noun, own, given, options))

    def traits(self, name: str) -> Traits:
        """What planning must know of a member; imports it only where it is a plug-in or has options.

        Raises:
            UserError: as `resolve`, or a drawer that needs itself.
        """
        row = self.builtin.get(name)
        if row is not None and row.traits is not None:
            return row.traits
        if name in self._asked:
            chain = " -> ".join([*self._asked[self._asked.index(name) :], name])
            raise UserError(f"the {self.noun} '{name}' needs itself ({chain}); name another one in its traits.")
        self._asked.append(name)
        try:
            found = self._traits_of(name)
            for need in found.needs if self.noun == "drawer" else ():  # those of other nouns name drawers, too
                self.traits(need.drawer)
        finally:
            self._asked.pop()
        return found

    def _traits_of(self, name: str) -> Traits:
        own, options = self.parts(name)
        found = self.make(name) if options or self._family(own) else self.load(own)
        traits = getattr(found, "traits", None)
        if isinstance(traits, Traits):
            return traits
        made = found() if isinstance(found, type) else found
        return cast(Traits, getattr(made, "traits", Traits()))

    def distribution(self, name: str) -> Distribution | None:
        """The distribution that a member comes from; None for what comes with the project or was registered by hand.

        Raises:
            UserError: there is no such member.
        """
        own, _ = self.parts(name)
        return None if self.is_ours(name) else self._plugins[own][0].dist

    def is_ours(self, name: str) -> bool:
        """Whether a member comes with the project.

        Raises:
            UserError: there is no such member.
        """
        own, _ = self.parts(name)
        self._check(own)
        return own in self.builtin or self._family(own) is not None or self.other(own) is not None

    def target(self, name: str) -> str:
        """The "module:attribute" of a member.

        Raises:
            UserError: there is no such member.
        """
        own, _ = self.parts(name)
        self._check(own)
        if make := self._family(own):
            return make
        return self.builtin[own].target if own in self.builtin else self._plugins[own][0].value

    def _family(self, own: str) -> str | None:
        first, slash, rest = own.partition("/")
        return self.families.get(first) if slash and rest and own not in self.builtin else None

    def _check(self, own: str) -> None:
        """Refuse a name that stands for nothing, or for more than one thing."""
        if self._family(own):
            return
        points = self._plugins.get(own, [])
        owners = [f"{point.value} of {point.dist.name if point.dist else 'an unknown package'}" for point in points]
        if own in self.builtin and points:
            raise UserError(
                f"the {self.noun} '{own}' comes with ticketbench, and {owners[0]} registers the same name; rename that "
                "plug-in, or uninstall it."
            )
        if len(points) > 1:
            raise UserError(
                f"two plug-ins register the {self.noun} '{own}': {' and '.join(owners)}; rename one of them, or "
                "uninstall it."
            )
        if own not in self.builtin and not points:
            known = [*self.aliases, *self.names(), *(f"{family}/NAME" for family in self.families)]
            known += [self.beside] * bool(self.beside)
            raise unknown(self.noun, own, known)


def _by_hand(group: str) -> list[EntryPoint]:
    """The members of a group that the environment names."""
    entries = (one.partition("=") for one in os.environ.get(BY_HAND, "").split() if one.startswith(f"{group}/"))
    return [EntryPoint(entry.removeprefix(f"{group}/"), target, group) for entry, _, target in entries]


def validated(cls: type, noun: str, own: str, given: Mapping[str, Any], options: Mapping[str, str]) -> Any:
    """A member with options, each made what its field's type says.

    Args:
        cls: the member's class.
        noun: what the member is, for messages.
        own: its name, for messages.
        given: all values, of which texts are read as what their field is.
        options: those of them that the user gave, for messages.

    Raises:
        UserError: a value is not of its field's type, is not finite, or the class refuses it.
    """
    if not given:
        try:
            return cls()
        except TypeError as error:  # an option without a default, or a method that is still missing
            raise UserError(f"{noun} {own}: {error}; give every option a default.") from error
    from pydantic import ValidationError

    try:
        made: Any = _reader(cls).validate_python(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        where = f", option {first['loc'][0]}" if first["loc"] else ""
        said = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise UserError(f"{noun} {own}{where}: {said}; got {dict(options) or dict(given)}.") from error
    for name in given:
        if isinstance(value := getattr(made, name), float) and not math.isfinite(value):
            raise UserError(f"{noun} {own}, option {name}: {value} is no number to work with; give a finite one.")
    return made


@lru_cache(maxsize=256)
def _reader(cls: type) -> Any:
    """What reads the options of a class; ten milliseconds to make, and a grid asks a thousand times."""
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _attribute(target: str) -> Any:
    module, _, attribute = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _joined(own: str, options: Mapping[str, str]) -> str:
    return "@".join([own, *(f"{key}={value}" for key, value in sorted(options.items()))])
