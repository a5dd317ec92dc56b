"""What cannot be asked of drawers that draw ticket sets: told before any data are touched.

In a sweep that holds drawers of single tickets, too, such jobs are left out; in one that does not, asking is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tasks import TASKS
from tickets.drawers import DRAWERS
from tickets.errors import UserError
from tickets.recipes import RECIPES
from tickets.traits import Need, Traits
from tickets.transforms import TRANSFORMS

if TYPE_CHECKING:
    from bench.request.sweep import Sweep


def all_draw_sets(drawers: Sequence[str]) -> bool:
    """Whether some drawers draw nothing else."""
    return bool(drawers) and all(DRAWERS.traits(name).draws_sets for name in drawers)


def can_be_drawn(drawer: str, tasks: Sequence[str]) -> bool:
    """Whether what a drawer draws predicts on these tasks: sets need some that say how outputs are merged."""
    return not DRAWERS.traits(drawer).draws_sets or all(TASKS.load(task).merges() for task in tasks)


def check(sweep: Sweep) -> None:
    """Look for what only single tickets can be asked for.

    Raises:
        UserError: a needed ticket would be a set, a task merges no outputs, or all drawers draw sets and something is
            asked for that takes single tickets.
    """
    for who, need in _needs(sweep):
        if DRAWERS.traits(need.drawer).draws_sets:
            raise UserError(
                f"{who} needs one ticket as its {need.role}, and {need.drawer} draws a set; name a drawer of single "
                "tickets there."
            )
    for name in sweep.drawers:
        for task in () if can_be_drawn(name, sweep.tasks) else sweep.tasks:
            if not TASKS.load(task).merges():
                raise UserError(
                    f"the drawer {name} draws a set, and {task} does not say how outputs are merged; draw single "
                    "tickets there, or define its merge."
                )
    if not all_draw_sets(sweep.drawers):
        return
    for name in (one for one in (*sweep.transforms, *sweep.shuffles) if one):
        raise UserError(
            f"a ticket set cannot be transformed by {name}; transform single tickets, and {sweep.drawers[0]} draws a "
            "set."
        )
    if sweep.head == "keep":
        raise UserError(
            f"--head keep carries the head of one ticket, and {sweep.drawers[0]} draws a set; draw single tickets, or "
            "give --head fresh."
        )


def _needs(sweep: Sweep) -> Iterator[tuple[str, Need]]:
    """Who needs which tickets, and what these need in their turn."""
    asked = [
        *((f"the drawer {name}", DRAWERS.traits(name)) for name in sweep.drawers),
        *((f"the recipe {name}", RECIPES.traits(name)) for name in sweep.recipes),
        *((f"the transform {name}", TRANSFORMS.traits(name)) for name in (*sweep.transforms, *sweep.shuffles) if name),
    ]
    return ((who, need) for who, traits in asked for need in _of(traits))


def _of(traits: Traits) -> Iterator[Need]:
    for need in traits.needs:
        yield need
        yield from _of(DRAWERS.traits(need.drawer))
