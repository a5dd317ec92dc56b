"""A sweep: the product of some tasks, methods, sparsities, recipes and seeds, checked name by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.command import flags
from bench.request import sets
from tasks import TASKS
from tickets.drawers import DRAWERS
from tickets.errors import UserError, unknown
from tickets.recipes import RECIPES
from tickets.registry import Registry
from tickets.transforms import TRANSFORMS

NONE, ALL = "none", "all"
DIGITS = 18
"""Of a seed, which is below 2**63 then."""
MOST = 10_000
"""Seeds of one range."""
REFERENCES = ("dense", "native")
"""Controls that are other jobs of the grid; the others are transforms."""
Head = Literal["fresh", "keep"]
HEADS: tuple[Head, ...] = ("fresh", "keep")
PAIRS = ("all", "cross", "each")
DEFAULTS = {
    "source": "cls", "target": "seg", "drawer": "supertickets", "sparsity": "0.9", "seed": "0", "recipe": "finetune",
    "head": "fresh", "control": "dense", "transform": "none", "pairs": "all",
}  # fmt: skip
"""What a sweep says where nothing else is said; the command line's flags of the same names."""


@dataclass(frozen=True)
class Sweep:
    """Names resolved, lists without duplicates.

    Args:
        transforms: what is made of tickets before they are trained; None for the ticket as it was drawn.
        controls: "dense", "native", and transforms that are controls.
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
    head: Head
    pairs: str = "all"
    transforms: tuple[str | None, ...] = (None,)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task that it names, once."""
        return tuple(dict.fromkeys((*self.sources, *self.targets)))

    def sources_of(self, target: str) -> tuple[str, ...]:
        """The sources whose tickets go to a target."""
        if self.pairs == "each":
            return tuple(s for s, t in zip(self.sources, self.targets, strict=True) if t == target)
        return tuple(s for s in self.sources if self.pairs == "all" or s != target)

    @property
    def ways(self) -> list[tuple[str, str]]:
        """(source, target) of every transfer."""
        return [(source, target) for target in self.targets for source in self.sources_of(target)]

    @property
    def shuffles(self) -> tuple[str, ...]:
        """The controls that transforms make."""
        return tuple(name for name in self.controls if name not in REFERENCES)

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
        pairs = self.ways
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
            if why := _why_not(recipe, self):
                raise UserError(why)
        sets.check(self)


def _why_not(recipe: str, sweep: Sweep) -> str | None:
    """Why a recipe cannot train what a sweep draws and makes, on its way from sources to targets; None where it can."""
    traits, drawers, pairs = RECIPES.traits(recipe), sweep.drawers, sweep.ways
    if traits.is_on_source and pairs and all(source != target for source, target in pairs):
        return (
            f"the recipe {recipe} trains a ticket on, on its own source; name a source among the targets, as in "
            f"--source {pairs[0][0]} --target {pairs[0][0]}."
        )
    if traits.is_on_source and sets.all_draw_sets(drawers):
        return (
            f"the recipe {recipe} trains one ticket on, and {drawers[0]} draws a set; give another recipe, or draw "
            "single tickets."
        )
    for name in drawers if traits.is_from_rewind else ():
        if not DRAWERS.traits(name).rewinds:
            able = [other for other, theirs in DRAWERS.traits_by_name() if theirs.rewinds]
            return (
                f"the recipe {recipe} needs a rewind point and the drawer {name} keeps none; draw with "
                f"{', '.join(able)}."
            )
    for transform in sweep.transforms if traits.is_from_rewind else ():
        if drops_rewind(transform):
            return (
                f"the recipe {recipe} needs a rewind point, and what the transform {transform} makes has none; give "
                "another recipe, or leave the transform out."
            )
    for target in dict.fromkeys(target for _, target in pairs) if traits.imitates else ():
        if not TASKS.load(target).is_imitable():
            return (
                f"the recipe {recipe} imitates a teacher, and {target} defines no imitation of a teacher; leave one of "
                "them out."
            )
    return None


def drops_rewind(transform: str | None) -> bool:
    """Whether what a transform makes has no rewind point; None stands for the ticket as it was drawn."""
    return transform is not None and TRANSFORMS.traits(transform).drops_rewind


def parse(asked: Mapping[str, str], checked: Callable[..., Any]) -> Sweep | None:
    """Resolve the texts of a sweep.

    Args:
        asked: by the keys of `DEFAULTS`.
        checked: calls a function with arguments and notes what it refuses, giving None then.

    Returns:
        The sweep, or None where something was refused.
    """
    told = {**DEFAULTS, **asked}
    fields = {
        "sources": () if told["source"] == NONE else checked(_names, told["source"], TASKS.resolve, "source"),
        "targets": () if told["target"] == NONE else checked(_names, told["target"], TASKS.resolve, "target"),
        "drawers": checked(_names, _all(told["drawer"], DRAWERS), DRAWERS.resolve, "drawer"),
        "sparsities": checked(_numbers, told["sparsity"], _sparsity, "sparsity"),
        "recipes": checked(_names, _all(told["recipe"], RECIPES), RECIPES.resolve, "recipe"),
        "seeds": checked(seeds_in, told["seed"]),
        "controls": checked(_controls, told["control"]),
        "transforms": checked(_names, _transforms(told["transform"]), _transform, "transform"),
        "head": checked(flags.one_of, told["head"], HEADS, "head"),
        "pairs": checked(flags.one_of, told["pairs"], PAIRS, "choice of pairs"),
    }
    if None in fields.values():
        return None
    return _possible(Sweep(**fields), {name for name, text in told.items() if text == ALL})


def _possible(sweep: Sweep, alls: Container[str]) -> Sweep:
    """A sweep whose "all" of a kind are those that can be drawn on its tasks, train what is drawn, or transform it."""
    if "drawer" in alls:
        sweep = replace(sweep, drawers=tuple(name for name in sweep.drawers if sets.can_be_drawn(name, sweep.tasks)))
    if "recipe" in alls:
        able = tuple(name for name in sweep.recipes if not _why_not(name, sweep))
        sweep = replace(sweep, recipes=able)
    if "transform" in alls and sets.all_draw_sets(sweep.drawers):
        sweep = replace(sweep, transforms=(None,))
    return sweep


def _all(text: str, table: Registry[Any]) -> str:
    """What a flag says, with "all" for every name of a table."""
    return ",".join(table.names()) if text == ALL else text


def _transforms(text: str) -> str:
    """What --transform says; "all" is the ticket itself and all that makes another ticket of it."""
    if text != ALL:
        return text
    return ",".join([NONE, *(name for name in TRANSFORMS.names() if not TRANSFORMS.traits(name).is_control)])


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


def seeds_in(text: str) -> tuple[int, ...]:
    """Seeds as people write them, each once.

    Raises:
        UserError: a part is no seed and no range of them.

    Example:
        >>> seeds_in("0-2,7")
        (0, 1, 2, 7)
    """
    return _unique(seed for part in _split(text, "seed") for seed in _seeds(part))


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    ends = (first, last) if "-" in text else (text, text)
    if not all(end.isascii() and end.isdecimal() and len(end) <= DIGITS for end in ends):
        raise UserError(
            f"seed '{text[:80]}' is not a whole number from 0 to {10**DIGITS - 1:,}; give e.g. 0 or 0,1,2, or 0-4 for "
            "a range."
        )
    start, end = map(int, ends)
    if not 0 <= end - start < MOST:
        raise UserError(f"seed '{text}' is no range of 1 to {MOST:,} seeds; give e.g. 0-4.")
    return range(start, end + 1)


def _controls(text: str) -> tuple[str, ...]:
    found = _unique(_control(part) for part in _split(text, "control"))
    if NONE in found and len(found) > 1:
        raise UserError(f"--control '{text}' asks for none and for others; give one or the other.")
    return () if found == (NONE,) else found


def _control(name: str) -> str:
    """A control's full name.

    Raises:
        UserError: there is no such control, or it is a transform that makes tickets.
    """
    if name in (*REFERENCES, NONE):
        return name
    if TRANSFORMS.parts(name)[0] not in TRANSFORMS.names():
        known = [other for other in TRANSFORMS.names() if TRANSFORMS.traits(other).is_control]
        raise unknown("control", name, [REFERENCES[0], *known, *REFERENCES[1:], NONE])
    found = TRANSFORMS.resolve(name)
    if not TRANSFORMS.traits(found).is_control:
        raise UserError(f"the transform {name} makes tickets and no controls; give it by --transform {name}.")
    return found


def _transform(name: str) -> str | None:
    """A transform's full name, or None for "none".

    Raises:
        UserError: there is no such transform, or it makes controls.
    """
    if name == NONE:
        return None
    found = TRANSFORMS.resolve(name)
    if TRANSFORMS.traits(found).is_control:
        raise UserError(f"the transform {name} makes controls and no tickets; give it by --control {name}.")
    return found
