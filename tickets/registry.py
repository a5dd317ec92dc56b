"""Names of tasks, drawers and recipes, resolved without importing what they name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any

from tickets.errors import UserError, unknown


@dataclass(frozen=True)
class Registry:
    """A table of names to "module:attribute", open to other packages.

    Args:
        noun: what a member is, as in "task"; used in messages.
        builtin: name to "module:attribute".
        group: entry-point group whose members are added; a built-in name wins over a plug-in's.
        aliases: other names of members, which really resolve to them.
    """

    noun: str
    builtin: Mapping[str, str]
    group: str
    aliases: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def targets(self) -> dict[str, str]:
        """Every name and its "module:attribute", built-ins first, then plug-ins by name."""
        plugins = {e.name: e.value for e in sorted(entry_points(group=self.group))}
        return {**self.builtin, **{k: v for k, v in plugins.items() if k not in self.builtin}}

    def resolve(self, name: str) -> str:
        """The member's own name for a name or an alias.

        Raises:
            UserError: the name is neither; says the nearest one and lists all.

        Example:
            >>> Registry("task", {"cls/figures": "m:A"}, "no.group", {"cls": "cls/figures"}).resolve("cls")
            'cls/figures'
        """
        name = self.aliases.get(name, name)
        if name not in self.targets:
            raise unknown(self.noun, name, [*self.aliases, *self.targets])
        return name

    def load(self, name: str) -> Any:
        """Import and return the member.

        Raises:
            UserError: the name is unknown, or a plug-in cannot be imported (named, with the reason).
        """
        name = self.resolve(name)
        module, _, attribute = self.targets[name].partition(":")
        if name in self.builtin:
            return getattr(importlib.import_module(module), attribute)
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"the plug-in {self.noun} '{name}' ({module}:{attribute}) cannot be loaded: {error}; "
                "repair or uninstall the package that registers it."
            ) from error
