"""What a grid will cost, before it runs: what is there already, training work, hours and memory on this machine."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.jobs.order import Queue
from bench.jobs.store import Store
from bench.jobs.work import Facts
from bench.numbers.amounts import duration
from bench.request.plan import Job
from tickets.drawers import DRAWERS
from tickets.recipes import RECIPES

if TYPE_CHECKING:
    from bench.jobs.paces import Pace
    from tasks.base import Task

DONE, MISSING, FAILED = "done", "missing", "failed"
Where = tuple[str, str | None]
"""What `Job.where` says."""
PLAIN, TAUGHT = 3, 4  # forward passes that a step is worth, without a teacher and with one
RECALIBRATED = 10 / 3  # steps that the forward passes for batch-norm statistics are worth, each time


@dataclass(frozen=True)
class Cost:
    """What a job will take.

    Args:
        steps: of the optimiser, before any network shrinks; at equal sparse MACs as if each were of the job's sparsity,
            which is too many where that is only reached in the end.
        macs: training MACs of these steps at those of the full network: exact but for recalibration and scorers where
            it stays whole, else an upper bound.
        seconds: on this machine.
    """

    steps: int
    macs: int
    seconds: float


def states(jobs: Sequence[Job], ids: Mapping[Job, str], store: Store) -> dict[Job, str]:
    """Which jobs have their record (and draws their ticket), which failed, and which are still to do."""
    found = {}
    for job in jobs:
        record = store.record(ids[job])
        failed = record is not None and record.status == "failed"
        found[job] = FAILED if failed else DONE if record and store.is_whole(job, record) else MISSING
    return found


def costs(jobs: Sequence[Job], facts: Facts, found: Mapping[Where, Pace]) -> dict[Job, Cost]:
    """What each job will take, from the pace where it trains; those that differ only in their seed take the same."""
    alike = dict.fromkeys(replace(job, seed=0) for job in jobs)
    counts = {task: _counts(facts.tasks[task]) for task in {job.trained_on for job in alike}}
    priced = {job: cost(job, facts, found[job.where], counts[job.trained_on]) for job in alike}
    return {job: priced[replace(job, seed=0)] for job in jobs}


def _counts(task: Task) -> dict[str, int]:
    """Samples by split that a job's network is scored on."""
    return {split: len(task.split(split)) for split in ("val", "test")}


def cost(job: Job, facts: Facts, pace: Pace, counts: Mapping[str, int]) -> Cost:
    """What one job will take.

    Args:
        job: what is computed.
        facts: the run's.
        pace: of the task that it trains on.
        counts: samples of that task's val and test.
    """
    plan = facts.scale.plan(job.trained_on)
    drawer = DRAWERS.make(job.drawer)
    steps = drawer.steps(plan.draw.steps, job.sparsity) if job.kind == "draw" else drawer.count * plan.transfer.steps
    if facts.setting.equal == "sparse":
        steps = round(steps / (1 - job.sparsity))
    evaluated = job.kind == "draw" and job.sparsity > 0
    scored = drawer.count * (counts["val"] + counts["test"]) + 2 * counts["val"] * evaluated
    trainings = drawer.count + 2 * evaluated
    passes = TAUGHT if _is_taught_beside(job, facts) else PLAIN
    worth = steps * passes / PLAIN + trainings * RECALIBRATED
    seconds = pace.start_s + worth * pace.step_s + scored * pace.sample_s
    return Cost(steps, passes * steps * plan.batch_size * pace.macs, seconds)


def _is_taught_beside(job: Job, facts: Facts) -> bool:
    """Whether a teacher's forward passes come on top of a transfer's steps, and are not paid for by fewer."""
    return facts.setting.equal == "steps" and job.recipe is not None and RECIPES.traits(job.recipe).imitates


def makespan(jobs: Sequence[Job], seconds: Mapping[Job, float], at_once: int) -> float:
    """Wall time of jobs that run `at_once` at a time, the longest way first, each after its draw.

    Args:
        jobs: draws before what needs them; draws that are not among them are taken as done.
        seconds: of each.
        at_once: how many run at a time.
    """
    queue, numbers = Queue(jobs, seconds.__getitem__), itertools.count()
    running: list[tuple[float, int, Job]] = []
    now = 0.0
    while True:
        for job in queue.take(at_once - len(running)):
            heapq.heappush(running, (now + seconds[job], next(numbers), job))
        if not running:
            return now
        now, _, job = heapq.heappop(running)
        queue.end(job)


def told(jobs: Sequence[Job], state: Mapping[Job, str], costs: Mapping[Job, Cost], facts: Facts, at_once: int,
         found: Mapping[Where, Pace]) -> str:  # fmt: skip
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
