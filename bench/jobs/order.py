"""In which order jobs start: each after the draws that it needs, those with the longest way behind them first."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Sequence

from bench.request.plan import Job


class Queue:
    """Jobs that wait for others, and those that can start. Taking and ending one costs a few steps, however many wait.

    Args:
        jobs: draws before what needs them; needs that are not among them are taken as done.
        cost: of one job, in any unit.
    """

    def __init__(self, jobs: Sequence[Job], cost: Callable[[Job], float]) -> None:
        self._order = by_length(jobs, cost)
        self._rank = {job: number for number, job in enumerate(self._order)}
        self._open = [0] * len(self._order)
        self._behind: dict[int, list[int]] = defaultdict(list)
        for number, job in enumerate(self._order):
            for need in job.needs.values():
                if (needed := self._rank.get(need)) is not None:
                    self._behind[needed].append(number)
                    self._open[number] += 1
        self._ready = [number for number, count in enumerate(self._open) if not count]  # ascending, and so a heap

    def take(self, most: int) -> list[Job]:
        """Up to so many jobs to start now, the longest way first; they are in the queue no more."""
        return [self._order[heapq.heappop(self._ready)] for _ in range(min(most, len(self._ready)))]

    def end(self, job: Job) -> None:
        """A job that was taken is done, perhaps once more; what waited for nothing else can start."""
        for number in self._behind.pop(self._rank.get(job, -1), ()):
            self._open[number] -= 1
            if not self._open[number]:
                heapq.heappush(self._ready, number)

    def put_back(self, job: Job) -> None:
        """A job that was taken, or is none of these, can start again, after all others that can."""
        self._order.append(job)
        heapq.heappush(self._ready, len(self._order) - 1)


def by_length(jobs: Sequence[Job], cost: Callable[[Job], float]) -> list[Job]:
    """Jobs in the order in which to start them: those with the longest way to the end behind them first.

    Args:
        jobs: draws before what needs them.
        cost: of one job, in any unit.
    """
    way: dict[Job, float] = {}
    behind: dict[Job, float] = {}
    for job in reversed(jobs):
        way[job] = cost(job) + behind.get(job, 0.0)
        for need in job.needs.values():
            behind[need] = max(behind.get(need, 0.0), way[job])
    return sorted(jobs, key=lambda job: -way[job])
