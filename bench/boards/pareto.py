"""Which of several points are worth having: none other costs no more and scores no less. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points no other one beats; equal points are on the front together.

    Args:
        points: (cost, score) each; less cost and more score are better.

    Returns:
        One truth value a point, in their order.

    Example:
        >>> front([(1, 0.5), (2, 0.5), (2, 0.7), (3, 0.6)])
        [True, False, True, False]
    """
    best_at: dict[float, float] = {}
    for cost, score in points:
        best_at[cost] = max(score, best_at.get(cost, score))
    needed, best = {}, float("-inf")
    for cost in sorted(best_at):
        needed[cost] = best_at[cost] if best_at[cost] > best else float("inf")
        best = max(best, best_at[cost])
    return [score >= needed[cost] for cost, score in points]


def reached(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The best score at each cost or below, by rising cost; its steps are the front.

    Example:
        >>> reached([(2, 0.4), (1, 0.5), (3, 0.7)])
        [(1, 0.5), (2, 0.5), (3, 0.7)]
    """
    found: dict[float, float] = {}
    best = float("-inf")
    for cost, score in sorted(points):
        best = max(best, score)
        found[cost] = best
    return list(found.items())
