"""What a shell offers for the values of a command's parameters, by their names; imports no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from bench.records.setting import Setting
from bench.request import scale, suite, sweep
from tasks import TASKS
from tickets import contract
from tickets.drawers import DRAWERS
from tickets.hosts import HOSTS
from tickets.recipes import RECIPES
from tickets.registry import Registry
from tickets.transforms import TRANSFORMS

Offer = Callable[[Any], Iterable[str]]
"""Everything that may stand there, of click's context."""


def _members(table: Registry[Any], *more: str) -> Offer:
    return lambda _: [*table.aliases, *table.names(), *(f"{family}/" for family in table.families), *more]


def _controls(_: Any) -> list[str]:
    spoiling = [name for name in TRANSFORMS.names() if TRANSFORMS.traits(name).is_control]
    return [*sweep.REFERENCES, *spoiling, sweep.NONE]


def _files(*folders: str) -> Offer:
    """Files of a person's own in the usual folders of a home; the shell itself offers all others."""

    def found(_: Any) -> Iterator[str]:
        for folder in folders:
            yield from sorted(str(path) for path in Path("runs", folder).glob("*.json"))

    return found


def _ids(context: Any) -> list[str]:
    folder = Path(context.params.get("records") or "results/records")
    return sorted(name.removesuffix(".json") for name in os.listdir(folder)) if folder.is_dir() else []


_TASKS = _members(TASKS, sweep.NONE)
OFFERS: dict[str, Offer] = {
    "source": _TASKS,
    "target": _TASKS,
    "task": _members(TASKS),
    "drawer": _members(DRAWERS, sweep.ALL),
    "method": _members(DRAWERS),
    "names": _members(DRAWERS),
    "recipe": _members(RECIPES, sweep.ALL),
    "transform": _members(TRANSFORMS, sweep.NONE, sweep.ALL),
    "control": _controls,
    "head": lambda _: sweep.HEADS,
    "pairs": lambda _: sweep.PAIRS,
    "host": _members(HOSTS),
    "scale": lambda _: scale.names(),
    "suite": lambda _: suite.names(),
    "device": lambda _: ("cpu", "cuda", "mps"),
    "ticket": _files("tickets"),
    "network": _files("networks", "tickets"),
    "file": _files("records", "tickets"),
    "files": _files("records"),
    "record": _files("records"),
}
"""By a parameter's name in any command; the fields of `Setting` that are a choice come beside."""
OF_COMMANDS: dict[tuple[str, str], Offer] = {
    ("recompute", "name"): _ids,
    ("measure", "tickets"): _files("tickets"),
    ("task", "name"): _members(TASKS),
    **{(noun, "name"): _members(registry) for noun, registry in contract.REGISTRIES.items()},
}
"""By command and parameter, where the name alone does not tell."""


def offered(incomplete: str, names: Iterable[str]) -> list[str]:
    """The names that go on from what is typed, what stands before its last comma kept.

    Example:
        >>> offered("cls,se", ["cls", "seg", "seg/camvid"])
        ['cls,seg', 'cls,seg/camvid']
    """
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in dict.fromkeys(names) if name.startswith(last)]


def attach(command: Any) -> None:
    """Have a shell offer values for what it knows of a command's parameters, and of its subcommands'."""
    for parameter in command.params:
        offer = OF_COMMANDS.get((command.name, parameter.name)) or OFFERS.get(parameter.name) or _choice(parameter.name)
        if offer is not None:
            parameter._custom_shell_complete = _completer(offer)  # what typer sets of `autocompletion`
    for inner in getattr(command, "commands", {}).values():
        attach(inner)


def _choice(field: str) -> Offer | None:
    """The values of a field of `Setting`, where it is a choice."""
    info = Setting.model_fields.get(field)
    values = get_args(info.annotation) if info else ()
    return (lambda _: [str(one) for one in values]) if values else None


def _completer(offer: Offer) -> Callable[[Any, Any, str], list[str]]:
    return lambda context, parameter, incomplete: offered(incomplete, offer(context))
