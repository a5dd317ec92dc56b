"""How sparsity, the search penalty and exchanges of weights go over training, in fractions of all steps."""

from __future__ import annotations

import math
from typing import Literal

from tickets.training.events import at


def staircase(
    steps: int, sparsity: float, interval: float = 1 / 14, rise: float = 0.1, last: float = 13 / 14
) -> list[tuple[int, float]]:
    """SuperTickets' progressive pruning: +`rise` of all weights at every interval, up to the target.

    The masks are chosen anew at every later interval too, at the target (methods of the released code:
    every 25 of 350 epochs on ImageNet, 15 of 210 on COCO: one fourteenth).

    Args:
        steps: all training steps.
        sparsity: the target, in [0, 1).
        interval: fraction of training between events.
        rise: sparsity added at an event.
        last: no event later than this fraction; the rest of the training recovers.

    Returns:
        (step, sparsity) pairs with rising steps; the last one has the target sparsity.

    Example:
        >>> staircase(140, 0.25)[:4]
        [(10, 0.1), (20, 0.2), (30, 0.25), (40, 0.25)]
    """
    count = max(1, int(last / interval + 1e-9))
    found: dict[int, float] = {}
    for j in range(1, count + 1):
        found[at(j * interval, steps)] = min(round(j * rise, 10), sparsity)
    final = max(found)
    return sorted({**found, final: sparsity}.items())


def ramp(step: float, steps: int, warm: float = 25 / 350) -> float:
    """The search penalty's factor at a step: 0 to 1 linearly over the first `warm` of training, then 1.

    Example:
        >>> ramp(0, 1400), ramp(50, 1400), ramp(700, 1400)
        (0.0, 0.5, 1.0)
    """
    return min(1.0, step / (warm * steps)) if warm else 1.0


def cubic(steps: int, sparsity: float, start: float, stop: float, interval: float) -> list[tuple[int, float]]:
    """Gradual pruning: s(t) = s (1 - (1 - x)^3), x from 0 at `start` to 1 at `stop` (arXiv 1710.01878, eq. 1).

    Args:
        steps: all training steps.
        sparsity: the target s, in [0, 1).
        start: fraction of training at which x is 0.
        stop: fraction at which x is 1.
        interval: fraction between events.

    Returns:
        (step, sparsity) pairs with rising steps; the last one has the target sparsity.

    Example:
        >>> cubic(100, 0.8, 0.2, 0.6, 0.2)
        [(40, 0.7), (60, 0.8)]
    """
    count = max(1, round((stop - start) / interval))
    shares = [j / count for j in range(1, count + 1)]
    found = {at(start + x * (stop - start), steps): round(sparsity * (1 - (1 - x) ** 3), 10) for x in shares}
    final = max(found)
    return sorted({**found, final: sparsity}.items())


def geometric(sparsity: float, rounds: int) -> list[float]:
    """Iterative pruning: every round removes the same share of what is left.

    Example:
        >>> [round(s, 3) for s in geometric(0.9, 3)]
        [0.536, 0.785, 0.9]
    """
    return [*(1 - (1 - sparsity) ** (j / rounds) for j in range(1, rounds)), sparsity]


def exchanges(
    steps: int, every: float, fraction: float, stop: float, law: Literal["cosine", "constant"], least: int = 5
) -> list[tuple[int, float]]:
    """When layers exchange weights, and which share of them: zeta(t) = zeta/2 (1 + cos(pi t / T)) up to the step T.

    RigL, arXiv 1911.11134, eq. 1; "constant" is zeta throughout.

    Args:
        steps: all training steps.
        every: fraction of training between exchanges.
        fraction: zeta.
        stop: T as a fraction of training; none is later.
        law: "cosine" or "constant".
        least: steps between exchanges, however short the training is.

    Returns:
        (step, share) pairs with rising steps, none with the share 0.

    Example:
        >>> [(step, round(share, 4)) for step, share in exchanges(80, 0.125, 0.3, 0.75, "cosine")]
        [(10, 0.2799), (20, 0.225), (30, 0.15), (40, 0.075), (50, 0.0201)]
    """
    gap, last = max(least, at(every, steps)), at(stop, steps)
    shares = {step: fraction * (_cosine(step / last) if law == "cosine" else 1) for step in range(gap, last + 1, gap)}
    return [(step, share) for step, share in shares.items() if share]


def _cosine(way: float) -> float:
    """1 to 0 over a way from 0 to 1."""
    return (1 + math.cos(math.pi * way)) / 2
