"""Interleaved timing: every variant once a round, in one order, so that a slow phase of the machine hits all alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

Run = Callable[[], object]
Times = dict[str, list[float]]
"""Seconds a call by variant, one value a round."""

SLICE_S = 0.05
"""A variant runs at least about this long in each round, in as many calls as that takes."""
LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True)
class Spread:
    """A median over the rounds with the 10th and the 90th percentile."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median and percentiles, interpolated linearly between the sorted values.

    Raises:
        ValueError: no values.

    Example:
        >>> spread([3.0, 1.0, 2.0])
        Spread(median=2.0, low=1.2, high=2.8)
    """
    if not values:
        raise ValueError("the spread of no values was asked for")
    return Spread(median(values), _percentile(values, LOW), _percentile(values, HIGH))


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def ratio(times: Mapping[str, Sequence[float]], over: str, under: str) -> Spread:
    """Time of `over` / time of `under`, taken within each round, then summarised.

    Example:
        >>> ratio({"a": [2.0, 20.0], "b": [1.0, 10.0]}, over="a", under="b")
        Spread(median=2.0, low=2.0, high=2.0)
    """
    return spread([a / b for a, b in zip(times[over], times[under], strict=True)])


def seconds(run: Run) -> float:
    """How long a call takes by the wall clock."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def cuda_seconds(run: Run) -> float:
    """How long a call keeps the current CUDA device busy, by events before and after it."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000


def interleaved(
    runs: Mapping[str, Run],
    rounds: int,
    warm_up: int = 2,
    clock: Callable[[Run], float] = seconds,
    report: Callable[[int], None] = lambda done: None,
) -> Times:
    """Call the variants in turn: A B C, A B C, ...

    Args:
        runs: what is timed, by name.
        rounds: measured rounds, at least 1.
        warm_up: rounds before them that are not counted, at least 1; the last one says how many calls fill
            `SLICE_S`, and every variant then makes the same number of calls a round.
        clock: runs a call and returns its seconds.
        report: called after every round, those of the warm-up included, with the number of rounds done.

    Returns:
        Seconds a call, by name and round.
    """
    times: Times = {name: [] for name in runs}
    calls = 1
    for done in range(1, warm_up + rounds + 1):
        for name, run in runs.items():
            taken = clock(partial(_repeat, run, calls)) / calls
            times[name].append(taken)
        if done == warm_up:
            calls = max(1, math.ceil(SLICE_S / max(min(taken[-1] for taken in times.values()), 1e-6)))
        report(done)
    return {name: taken[warm_up:] for name, taken in times.items()}


def _repeat(run: Run, calls: int) -> None:
    for _ in range(calls):
        run()
