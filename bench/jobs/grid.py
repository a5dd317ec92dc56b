"""Running a grid: which jobs are there already, the others in worker processes, one display for all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.jobs.display import Display
from bench.jobs.store import Store
from bench.jobs.work import Facts, Work
from bench.jobs.workers import Workers
from bench.records.record import Record
from bench.request.plan import Job
from tickets.errors import UserError

GO_ON = "What is done is kept: make room or mend it, and the same command goes on from there."
AGAIN_S = 1.0  # seconds after which a job that another run is at is asked for again


@dataclass
class Grid:
    """The jobs of one run and how far they are.

    Args:
        jobs: draws before what needs them.
        ids: the name of each job's record.
        facts: what the jobs share.
        display: told what happens.
        cost: how long a job is, in any unit; the one with most left to do behind it goes first.
        force: compute jobs again whose record exists.
    """

    jobs: list[Job]
    ids: dict[Job, str]
    facts: Facts
    display: Display
    cost: Callable[[Job], float] = lambda job: 1.0
    force: bool = False
    records: dict[Job, Record] = field(default_factory=dict)
    waiting: list[Job] = field(default_factory=list)
    failing: set[Job] = field(default_factory=set)

    def skip_finished(self) -> None:
        """Take over the records that are there and queue the other jobs; with `force`, queue all, from their start."""
        store = Store(self.facts.home)
        for job in self.jobs:
            if self.force:
                store.checkpoint(self.ids[job]).unlink(missing_ok=True)
            found = None if self.force else store.finished(job, self.ids[job])
            if found is None:
                self.waiting.append(job)
            else:
                self.records[job] = found
                self.display.skipped(job, found)

    def run(self, workers: Workers) -> None:
        """Do all queued jobs, each as soon as its draws are there and a worker is free, the longest way first.

        A job that another run of this home is at is asked for again until its record is there.

        Raises:
            UserError: the home takes no more records.
        """
        running: set[Job] = set()
        self.waiting = by_length(self.waiting, self.cost)
        asked: dict[Job, float] = {}
        while self.waiting or running:
            now = time.monotonic()
            ready = [job for job in self.waiting if all(need in self.records for need in job.needs.values())]
            ready = [job for job in ready if now - asked.get(job, -AGAIN_S) >= AGAIN_S]
            for job in ready[: workers.free]:
                self.waiting.remove(job)
                running.add(job)
                self._start(job, workers)
            if not running:
                time.sleep(AGAIN_S / 4)
                continue
            for message in workers.messages():
                if message.kind == "progress":
                    self.display.progress(message.key, message.value)
                elif message.kind == "refused":
                    raise UserError(f"{message.value} {GO_ON}")
                elif message.kind == "died":
                    why = f"its worker process ended with code {message.value}; was there enough memory?"
                    if message.key in self.failing:
                        raise UserError(f"{self.ids[message.key]} leaves no record, {why} {GO_ON}")
                    self._fail(message.key, why, workers)
                elif message.value is not None:
                    running.remove(message.key)
                    self.records[message.key] = message.value
                    self.display.finished(message.key, message.value)
                else:
                    running.remove(message.key)
                    if message.key not in asked:
                        self.display.elsewhere(message.key)
                    asked[message.key] = time.monotonic()
                    self.waiting.append(message.key)

    def _start(self, job: Job, workers: Workers) -> None:
        self.display.started(job)
        failed = [(role, need) for role, need in job.needs.items() if self.records[need].status == "failed"]
        if failed:
            role, need = failed[0]
            self._fail(job, f"the draw of its {role} failed; see the record {self.ids[need]}.", workers)
        else:
            workers.start(job, "bench.jobs.execute:execute", self._work(job))

    def _fail(self, job: Job, why: str, workers: Workers) -> None:
        """Have a record written for a job that cannot write its own."""
        self.failing.add(job)
        workers.start(job, "bench.jobs.execute:fail", self._work(job), why)

    def _work(self, job: Job) -> Work:
        draws = {role: self.ids[need] for role, need in job.needs.items()}
        return Work(job, self.ids[job], self.facts, draws, unless_finished=not self.force)


def by_length(jobs: list[Job], cost: Callable[[Job], float]) -> list[Job]:
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
