"""A sweep: the product of some tasks, methods, sparsities, recipes and seeds, checked name by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench import flags
from tasks import TASKS
from tickets import drawers
from tickets.errors import UserError
from tickets.recipes import FROM_REWIND_POINT, ON_SOURCE, RECIPES

CONTROLS = ("dense", "random", "native", "none")
HEADS = ("fresh", "keep")
PAIRS = ("all", "cross", "each")
DEFAULTS = {
    "source": "cls", "target": "seg", "drawer": "supertickets", "sparsity": "0.9", "seed": "0", "recipe": "finetune",
    "head": "fresh", "control": "dense", "pairs": "all",
}  # fmt: skip
"""What a sweep says where nothing else is said; the command line's flags of the same names."""


@dataclass(frozen=True)
class Sweep:
    """Names resolved, lists without duplicates.

    Args:
        pairs: which sources go with which targets: "all", "cross" (those that differ), or "each" (the first with
            the first, the second with the second).
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    drawers: tuple[str, ...]
    sparsities: tuple[float, ...]
    recipes: tuple[str, ...]
    seeds: tuple[int, ...]
    controls: tuple[str, ...]
    head: str
    pairs: str = "all"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task that it names, once."""
        return tuple(dict.fromkeys((*self.sources, *self.targets)))

    def sources_of(self, target: str) -> tuple[str, ...]:
        """The sources whose tickets go to a target."""
        if self.pairs == "each":
            return tuple(s for s, t in zip(self.sources, self.targets, strict=True) if t == target)
        return tuple(s for s in self.sources if self.pairs == "all" or s != target)

    def check(self) -> None:
        """Look for what is allowed alone but not together.

        Raises:
            UserError: something is.
        """
        if not self.sources and not (self.targets and "dense" in self.controls):
            raise UserError(
                "--source none draws no ticket, which leaves the dense references; name their tasks by --target, and "
                "leave --control at dense."
            )
        if self.pairs == "each" and len(self.sources) != len(self.targets):
            raise UserError(
                f"pairs: each needs as many targets as sources, and got {len(self.sources)} sources and "
                f"{len(self.targets)} targets; give one target a source."
            )
        pairs = [(source, target) for target in self.targets for source in self.sources_of(target)]
        if self.sources and self.targets and not pairs:
            raise UserError("the sweep is empty: no source goes with a target; give others, or pairs: all.")
        if self.head == "keep":
            for source, target in pairs:
                if source.partition("/")[0] != target.partition("/")[0]:
                    raise UserError(
                        f"--head keep cannot carry a head from {source} to {target}; give tasks of one kind, or "
                        "--head fresh."
                    )
        for recipe in self.recipes:
            if recipe in ON_SOURCE and pairs and all(source != target for source, target in pairs):
                raise UserError(
                    f"the recipe {recipe} trains a ticket on, on its own source; name a source among the targets, "
                    f"as in --source {self.sources[0]} --target {self.sources[0]}."
                )
        traits = {name: drawers.traits(name) for name in self.drawers}
        for recipe in FROM_REWIND_POINT.intersection(self.recipes):
            for name in (name for name, facts in traits.items() if not facts.rewinds):
                able = [other for other, method in drawers.METHODS.items() if method.traits.rewinds]
                raise UserError(
                    f"the recipe {recipe} needs a rewind point and the drawer {name} keeps none; draw with "
                    f"{', '.join(able)}."
                )


def parse(asked: Mapping[str, str], checked: Callable[..., Any]) -> Sweep | None:
    """Resolve the texts of a sweep.

    Args:
        asked: by the keys of `DEFAULTS`.
        checked: calls a function with arguments and notes what it refuses, giving None then.

    Returns:
        The sweep, or None where something was refused.
    """
    told = {**DEFAULTS, **asked}
    methods = ",".join(drawers.names()) if told["drawer"] == "all" else told["drawer"]
    fields = {
        "sources": () if told["source"] == "none" else checked(_names, told["source"], TASKS.resolve, "source"),
        "targets": () if told["target"] == "none" else checked(_names, told["target"], TASKS.resolve, "target"),
        "drawers": checked(_names, methods, drawers.resolve, "drawer"),
        "sparsities": checked(_numbers, told["sparsity"], _sparsity, "sparsity"),
        "recipes": checked(_names, told["recipe"], RECIPES.resolve, "recipe"),
        "seeds": checked(_numbers, told["seed"], _seed, "seed"),
        "controls": checked(_controls, told["control"]),
        "head": checked(flags.one_of, told["head"], HEADS, "head"),
        "pairs": checked(flags.one_of, told["pairs"], PAIRS, "choice of pairs"),
    }
    return None if None in fields.values() else Sweep(**fields)


def _split(text: str, flag: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UserError(f"--{flag} '{text}' has an empty entry; give names or numbers separated by commas.")
    return parts


def _names(text: str, resolve: Callable[[str], str], flag: str) -> tuple[str, ...]:
    return _unique(resolve(part) for part in _split(text, flag))


def _numbers(text: str, parse_one: Callable[[str], Any], flag: str) -> tuple[Any, ...]:
    return _unique(parse_one(part) for part in _split(text, flag))


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _sparsity(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1:
        raise UserError(
            f"sparsity '{text}' is not allowed: it is the removed share of the weights, a number from 0 to "
            "below 1; give e.g. 0.9."
        )
    return value


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise UserError(f"seed '{text}' is not a whole number of at least 0; give e.g. 0 or 0,1,2.")
    return int(text)


def _controls(text: str) -> tuple[str, ...]:
    found = _unique(flags.one_of(part, CONTROLS, "control") for part in _split(text, "control"))
    if "none" in found and len(found) > 1:
        raise UserError(f"--control '{text}' asks for none and for others; give one or the other.")
    return () if found == ("none",) else found
