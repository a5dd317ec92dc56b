"""Interleaved timing: every variant once a round, in one order, so that a slow phase of the machine hits all alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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


def clock_of(device: str) -> Callable[[Run], float]:
    """What times a call on a device."""
    return seconds if device == "cpu" else cuda_seconds


@dataclass(frozen=True)
class Deadline:
    """When to begin nothing more.

    Args:
        limit: seconds from now on.
        start: now, by `time.monotonic`.
    """

    limit: float
    start: float = field(default_factory=time.monotonic)

    def is_over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() - self.start >= self.limit

    def share(self, parts: int) -> Deadline:
        """A deadline from now on, for one of so many parts that are left."""
        now = time.monotonic()
        return Deadline((self.start + self.limit - now) / parts, now)


@dataclass(frozen=True)
class Taken:
    """How long one variant took in one round.

    Args:
        round: 1 for the first that counts; rounds of the warm-up end with 0.
        name: of the variant.
        seconds: a call.
    """

    round: int
    name: str
    seconds: float


def interleaved(
    runs: Mapping[str, Run],
    rounds: int,
    warm_up: int = 2,
    clock: Callable[[Run], float] = seconds,
    is_late: Callable[[], bool] = lambda: False,
) -> Iterator[Taken]:
    """Call the variants in turn, A B C, A B C, ..., and tell of each as it is measured.

    Args:
        runs: what is timed, by name.
        rounds: measured rounds, at least 1.
        warm_up: rounds before them that do not count, at least 1; the last one says how many calls of a variant fill
            `SLICE_S`, and so many it then makes a round.
        clock: runs a call and returns its seconds.
        is_late: asked before each round; once it says so, the warm-up ends and no round but the first that counts
            begins. One of each there is always.
    """
    last = dict.fromkeys(runs, SLICE_S)
    calls = dict.fromkeys(runs, 1)
    for number in range(1 - warm_up, rounds + 1):
        if number not in (1 - warm_up, 1) and is_late():
            continue
        if number == 1:
            calls = {name: max(1, math.ceil(SLICE_S / max(taken, 1e-6))) for name, taken in last.items()}
        for name, run in runs.items():
            last[name] = clock(partial(_repeat, run, calls[name])) / calls[name]
            yield Taken(number, name, last[name])


def collected(measured: Iterable[Taken]) -> Times:
    """The seconds that count, by name and round."""
    times: Times = {}
    for taken in measured:
        if taken.round > 0:
            times.setdefault(taken.name, []).append(taken.seconds)
    return times


def _repeat(run: Run, calls: int) -> None:
    for _ in range(calls):
        run()
