"""What happens at a step of training, as plain data; the method that rides on the training gives it meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tickets.errors import UserError, unknown

PREFIX = "do_"


@dataclass(frozen=True)
class Event:
    """One event; it happens after the optimiser step number `step` (1 is the first).

    Args:
        step: in [0, all steps]; 0 is before the first step. Events of one step happen in the order in which they are
            listed.
        do: what happens: "prune" calls the method `do_prune` of what rides on the training, with the training and `to`.
        to: its further arguments; plain values.

    Example:
        >>> Event(40, "prune", {"sparsity": 0.5})
        Event(step=40, do='prune', to={'sparsity': 0.5})
    """

    step: int
    do: str
    to: Mapping[str, Any] = field(default_factory=dict)


def actions(of: object) -> dict[str, Callable[..., None]]:
    """What events may have an object do, by name."""
    return {name.removeprefix(PREFIX): getattr(of, name) for name in dir(of) if name.startswith(PREFIX)}


def known(of: object, events: Sequence[Event], steps: int) -> dict[str, Callable[..., None]]:
    """An object's actions, once it is seen that the events of a training ask for no other ones.

    Args:
        of: rides on the training.
        events: of the training.
        steps: of the training.

    Raises:
        UserError: an event does what is no action, would never happen, or stands behind a later one.
    """
    found, name, before = actions(of), type(of).__name__, 0
    for event in events:
        if event.do not in found:
            raise unknown(f"event of {name} at step {event.step}", event.do, found)
        if not before <= event.step <= steps:
            raise UserError(
                f"{name} has the event '{event.do}' at step {event.step}, after one at step {before} and in a training "
                f"of {steps} steps; list events in the order of their steps, none after the last."
            )
        before = event.step
    return found


def at(fraction: float, steps: int) -> int:
    """The step that a fraction of training falls on, at least 1.

    Example:
        >>> at(0.5, 400), at(0.0001, 400)
        (200, 1)
    """
    return max(1, round(fraction * steps))
