"""What happens at a step of training, as plain data; the loop and the drawer give it meaning."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """The kinds of event."""

    EVALUATE = "evaluate"  # score the averaged, recalibrated copy on val, under the event's label
    SHRINK = "shrink"  # cut units whose importance vanished
    PRUNE = "prune"  # choose the masks anew, at the event's sparsity
    RESET = "reset"  # set all masks to ones
    SAVE = "save"  # keep the host as it is: the rewind point


@dataclass(frozen=True)
class Event:
    """One event; it happens after the optimiser step number `step` (1 is the first).

    Args:
        step: in [1, all steps]; events of one step happen in the order in which they are listed.
        action: what happens.
        sparsity: for PRUNE, the removed fraction asked for.
        label: for EVALUATE, the name under which the score is kept.
        final: for SHRINK, whether the average alone decides and nothing is too small to cut.
    """

    step: int
    action: Action
    sparsity: float | None = None
    label: str = ""
    final: bool = False


def at(fraction: float, steps: int) -> int:
    """The step that a fraction of training falls on, at least 1.

    Example:
        >>> at(0.5, 400), at(0.0001, 400)
        (200, 1)
    """
    return max(1, round(fraction * steps))
