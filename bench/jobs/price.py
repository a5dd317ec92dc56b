"""What a grid will cost, before it runs: what is there already, training work, hours and memory on this machine."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.jobs.grid import by_length
from bench.jobs.store import Store
from bench.jobs.work import Facts
from bench.jobs.workers import Workers
from bench.numbers.amounts import duration
from bench.records.record import read
from bench.request.plan import Job
from tickets.drawers import DRAWERS
from tickets.errors import UserError

if TYPE_CHECKING:
    from bench.jobs.probe import Pace

DONE, MISSING, FAILED = "done", "missing", "failed"
RECALIBRATED = 10 / 3  # steps that the forward passes for batch-norm statistics are worth, each time


@dataclass(frozen=True)
class Cost:
    """What a job will take.

    Args:
        steps: of the optimiser, before any network shrinks.
        macs: training MACs at those of the full network: exact but for recalibration and scorers where it stays
            whole, else an upper bound.
        seconds: on this machine.
    """

    steps: int
    macs: int
    seconds: float


def states(jobs: Sequence[Job], ids: Mapping[Job, str], store: Store) -> dict[Job, str]:
    """Which jobs have their record (and draws their ticket), which failed, and which are still to do."""
    found = {}
    for job in jobs:
        path = store.records / f"{ids[job]}.json"
        there = store.finished(job, ids[job]) is not None
        failed = not there and path.exists() and read(path).status == "failed"
        found[job] = DONE if there else FAILED if failed else MISSING
    return found


def paces(jobs: Sequence[Job], facts: Facts, workers: Workers) -> dict[str, Pace]:
    """A few timed steps of every task that jobs train on, as many at once as jobs will run at once.

    Raises:
        UserError: a probe's process died; there may be too little memory.
    """
    tasks = list(dict.fromkeys(job.trained_on for job in jobs))
    queue = tasks + tasks[: 1 if len(tasks) % workers.count else 0]  # the last one has company, too
    found: dict[str, Pace] = {}
    running = 0
    while queue or running:
        while queue and workers.free:
            task = queue.pop(0)
            workers.start(task, "bench.jobs.probe:pace", task, facts, time.time())
            running += 1
        for message in workers.messages():
            if message.kind == "died":
                raise UserError(
                    f"a few steps on {message.key} ended their process (code {message.value}); was there enough "
                    "memory? Give --jobs 1, or smaller batches by --set batch_size."
                )
            running -= message.kind == "result"
            if message.kind == "result" and message.key not in found:
                found[message.key] = message.value
    return found


def cost(job: Job, facts: Facts, pace: Pace) -> Cost:
    """What one job will take, from the pace of its task."""
    task, plan = job.trained_on, facts.scale.plan(job.trained_on)
    steps = DRAWERS.make(job.drawer).steps(plan.draw.steps, job.sparsity) if job.kind == "draw" else plan.transfer.steps
    counts = {split: len(facts.tasks[task].split(split)) for split in ("val", "test")}
    scored = counts["val"] + counts["test"] + 2 * counts["val"] * (job.kind == "draw" and job.sparsity > 0)
    trainings = 3 if job.kind == "draw" and job.sparsity > 0 else 1
    seconds = pace.start_s + (steps + trainings * RECALIBRATED) * pace.step_s + scored * pace.sample_s
    return Cost(steps, 3 * steps * plan.batch_size * pace.macs, seconds)


def makespan(jobs: Sequence[Job], seconds: Mapping[Job, float], at_once: int) -> float:
    """Wall time of jobs that run `at_once` at a time, the longest way first, each after its draw.

    Args:
        jobs: draws before what needs them; draws that are not among them are taken as done.
        seconds: of each.
        at_once: how many run at a time.
    """
    waiting = by_length(list(jobs), seconds.__getitem__)
    ends: dict[Job, float] = {}
    running: list[tuple[float, int, Job]] = []
    now, number = 0.0, 0
    while waiting or running:
        for job in [job for job in waiting if _is_ready(job, seconds, ends, now)]:
            if len(running) < at_once:
                waiting.remove(job)
                number += 1
                heapq.heappush(running, (now + seconds[job], number, job))
        now, _, job = heapq.heappop(running)
        ends[job] = now
    return now


def _is_ready(job: Job, among: Mapping[Job, float], ends: Mapping[Job, float], now: float) -> bool:
    """Whether all draws that a job needs, of those that are still to do, have ended."""
    return all(ends.get(need, float("inf")) <= now for need in job.needs.values() if need in among)


def told(jobs: Sequence[Job], state: Mapping[Job, str], costs: Mapping[Job, Cost], facts: Facts, at_once: int,
         found: Mapping[str, Pace]) -> str:  # fmt: skip
    """A line for each job, and what is still to do: work, time and memory."""
    lines = []
    for job in jobs:
        price = "" if state[job] == DONE else _priced(costs[job], facts.scale.plan(job.trained_on).batch_size)
        lines.append(f"{state[job]:<8}{job}{price}")
    todo = [job for job in jobs if state[job] != DONE]
    count = Counter(state.values())
    lines.append(f"{len(jobs)} jobs: " + ", ".join(f"{count[name]} {name}" for name in (DONE, MISSING, FAILED)))
    if todo:
        macs = sum(costs[job].macs for job in todo)
        wall = makespan(todo, {job: costs[job].seconds for job in todo}, at_once)
        memory = sum(sorted((pace.peak_mib for pace in found.values()), reverse=True)[:1]) * min(at_once, len(todo))
        lines.append(
            f"still to do: {macs / 1e12:,.2f} T training MACs, about {duration(wall)} with {at_once} "
            f"job{'s' if at_once > 1 else ''} at once, {memory / 1024:.1f} GiB; nothing was computed."
        )
    return "\n".join(lines)


def _priced(price: Cost, batch: int) -> str:
    return f": {price.steps:,} steps of {batch}, {price.macs / 1e12:,.2f} T training MACs, {duration(price.seconds)}"
