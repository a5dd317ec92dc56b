"""Running a grid: which jobs are there already, the others in worker processes, one display for all."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.jobs.display import Display
from bench.jobs.order import Queue
from bench.jobs.store import Store
from bench.jobs.work import Facts, Work
from bench.jobs.workers import Message, Workers
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
        networks: train jobs again whose record exists without their network; the record stays.
        records: of the jobs that are done.
        missing: jobs without one when the run began, and those that are trained again.
        unkept: jobs whose record was there without their network, where networks are kept.
    """

    jobs: list[Job]
    ids: dict[Job, str]
    facts: Facts
    display: Display
    cost: Callable[[Job], float] = lambda job: 1.0
    force: bool = False
    networks: bool = False
    records: dict[Job, Record] = field(default_factory=dict)
    missing: list[Job] = field(default_factory=list)
    unkept: list[Job] = field(default_factory=list)
    _failing: set[Job] = field(default_factory=set, repr=False)
    _elsewhere: dict[Job, float] = field(default_factory=dict, repr=False)  # when each was asked for; the oldest first
    _told: set[Job] = field(default_factory=set, repr=False)

    def skip_finished(self) -> None:
        """Take over the records that are there and list the other jobs; with `force`, all, from their start."""
        store = Store(self.facts.home)
        for job in self.jobs:
            if self.force:
                store.checkpoint(self.ids[job]).unlink(missing_ok=True)
            found = None if self.force else store.finished(job, self.ids[job])
            if found and self.facts.keep and job.kind != "draw" and not store.has_network(found):
                self.unkept.append(job)
                found = None if self.networks else found
            if found is None:
                self.missing.append(job)
            else:
                self.records[job] = found
                self.display.skipped(job, found)

    def run(self, workers: Workers) -> None:
        """Do all missing jobs, each as soon as its draws are there and a worker is free, the longest way first.

        A job that another run of this home is at is asked for again until its record is there.

        Raises:
            UserError: the home takes no more records.
        """
        queue = Queue(self.missing, self.cost)
        running = 0
        while len(self.records) < len(self.jobs):
            self._ask_again(queue, time.monotonic())
            for job in queue.take(workers.free):
                running += 1
                self._start(job, workers)
            if not running:
                time.sleep(AGAIN_S / 4)
                continue
            for message in workers.messages():
                running -= message.kind == "result"
                self._hear(message, queue, workers)

    def _ask_again(self, queue: Queue, now: float) -> None:
        """Queue the jobs that another run was at when they were asked for long enough ago."""
        for job in [*itertools.takewhile(lambda job: now - self._elsewhere[job] >= AGAIN_S, self._elsewhere)]:
            del self._elsewhere[job]
            queue.put_back(job)

    def _hear(self, message: Message, queue: Queue, workers: Workers) -> None:
        """Act on what a worker says."""
        if message.kind == "progress":
            self.display.progress(message.key, message.value)
        elif message.kind == "refused":
            raise UserError(f"{message.value} {GO_ON}")
        elif message.kind == "died":
            why = f"its worker process ended with code {message.value}; was there enough memory?"
            if message.key in self._failing:
                raise UserError(f"{self.ids[message.key]} leaves no record, {why} {GO_ON}")
            self._fail(message.key, why, workers)
        elif message.value is None:
            self._is_elsewhere(message.key)
        else:
            self.records[message.key] = message.value
            self.display.finished(message.key, message.value)
            queue.end(message.key)

    def _is_elsewhere(self, job: Job) -> None:
        if job not in self._told:
            self._told.add(job)
            self.display.elsewhere(job)
        self._elsewhere[job] = time.monotonic()

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
        self._failing.add(job)
        workers.start(job, "bench.jobs.execute:fail", self._work(job), why)

    def _work(self, job: Job) -> Work:
        draws = {role: self.ids[need] for role, need in job.needs.items()}
        return Work(job, self.ids[job], self.facts, draws, not self.force, for_network=job in self.unkept)
