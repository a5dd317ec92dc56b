"""Running a grid: which jobs are there already, the others in worker processes, one display for all."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.jobs.display import Display
from bench.jobs.order import Queue
from bench.jobs.store import Store
from bench.jobs.work import Facts, Undone, Work
from bench.jobs.workers import Message, Workers, ended
from bench.records.record import Record
from bench.request.plan import Job
from tickets.errors import UserError

GO_ON = "What is done is kept: make room or mend it, and the same command goes on from there."
CLOCK_S = 2.0  # seconds that a file system's clock may be behind
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
    _began: dict[Job, float] = field(default_factory=dict, repr=False)  # when, on the clock that files bear
    _again: dict[Job, str] = field(default_factory=dict, repr=False)  # jobs that are tried twice, and why
    _apart: list[Job] = field(default_factory=list, repr=False)  # of these those that wait until none is running
    _alone: Job | None = field(default=None, repr=False)
    _behind: dict[Job, list[Job]] = field(default_factory=dict, repr=False)  # draws that are drawn anew, who waits

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
            for job in self._next(queue, workers.free, running):
                running += self._start(job, workers)
            if not running:
                time.sleep(AGAIN_S / 4)
                continue
            for message in workers.messages():
                running -= message.kind == "result"
                running -= self._hear(message, queue, workers)

    def _ask_again(self, queue: Queue, now: float) -> None:
        """Queue the jobs that another run was at when they were asked for long enough ago."""
        for job in [*itertools.takewhile(lambda job: now - self._elsewhere[job] >= AGAIN_S, self._elsewhere)]:
            del self._elsewhere[job]
            queue.put_back(job)

    def _next(self, queue: Queue, free: int, running: int) -> list[Job]:
        """The jobs to start now; one that is tried again has the machine for itself."""
        if self._alone is not None:
            return []
        if not self._apart:
            return queue.take(free)
        if running:
            return []
        self._alone = self._apart.pop(0)
        return [self._alone]

    def _hear(self, message: Message, queue: Queue, workers: Workers) -> bool:
        """Act on what a worker says; whether the job that it tells of runs no more though there was no result."""
        if message.kind == "progress":
            self.display.progress(message.key, message.value)
        elif message.kind == "refused":
            raise UserError(f"{message.value} {GO_ON}")
        elif message.kind == "died":
            return self._bury(message.key, message.value, queue, workers)
        elif message.value is None:
            self._is_elsewhere(message.key)
        elif isinstance(message.value, Undone):
            self._is_undone(message.key, message.value, queue, workers)
        else:
            self._end(message.key, message.value, queue)
        return False

    def _end(self, job: Job, record: Record, queue: Queue) -> None:
        """A job has its record."""
        self.records[job] = record
        self._is_over(job)
        self.display.finished(job, record)
        if job in self._behind:
            for waiting in self._behind[job]:
                queue.put_back(waiting)
            self._behind[job].clear()
        queue.end(job)

    def _is_over(self, job: Job) -> None:
        """A job runs no more: if it had the machine for itself, others can start."""
        if job == self._alone:
            self._alone = None

    def _bury(self, job: Job, code: int, queue: Queue, workers: Workers) -> bool:
        """A job's process has died: take what it has left, or try it once more, or have a record say so.

        Returns:
            Whether nothing runs for the job now.
        """
        why = f"its worker process {ended(code)}."
        if job in self._failing:
            raise UserError(f"{self.ids[job]} leaves no record, {why} {GO_ON}")
        if found := self._left(job):
            self._end(job, found, queue)
            return True
        if code < 0 and job not in self._again:
            self._try_again(job, why)
            return True
        self._fail(job, f"{why} {self._again.get(job, '')}".strip(), workers)
        return False

    def _left(self, job: Job) -> Record | None:
        """The record that a job wrote in this run before its process died."""
        store, name = Store(self.facts.home), self.ids[job]
        if not store.is_ok(name) or (found := store.finished(job, name)) is None:
            return None
        if job in self.unkept:
            return found if store.has_network(found) else None
        return found if (store.records / f"{name}.json").stat().st_mtime >= self._began[job] else None

    def _try_again(self, job: Job, why: str) -> None:
        self._again[job] = f"at its first try {why}"
        self._apart.append(job)
        self._is_over(job)
        self.display.say(f"once more, while no other job is running: {job}, since {why}")

    def _is_undone(self, job: Job, undone: Undone, queue: Queue, workers: Workers) -> None:
        """A job is to be done again: after the draw that it names, or apart."""
        if not undone.draw:
            self._try_again(job, f"{undone.why}.")
            return
        self._is_over(job)
        draw = next(need for need in job.needs.values() if self.ids[need] == undone.draw)
        if draw not in self._behind:
            Store(self.facts.home).put_aside(undone.draw)
            self.display.say(f"drawn again: {draw}, since {undone.why}")
            self._behind[draw] = [job]
            self.records.pop(draw)
            queue.put_back(draw)
        elif draw not in self.records:
            self._behind[draw].append(job)
        elif job not in self._again:
            self._again[job] = ""
            queue.put_back(job)
        else:
            raise UserError(f"{undone.why} It was drawn again in this run and is damaged anew. {GO_ON}")

    def _is_elsewhere(self, job: Job) -> None:
        if job not in self._told:
            self._told.add(job)
            self.display.elsewhere(job)
        self._elsewhere[job] = time.monotonic()
        self._is_over(job)

    def _start(self, job: Job, workers: Workers) -> bool:
        """Begin a job; whether that could be, and it need not wait for a draw that is drawn again."""
        for need in job.needs.values():
            if need not in self.records:
                self._behind[need].append(job)
                self._is_over(job)
                return False
        self.display.started(job)
        self._began[job] = time.time() - CLOCK_S
        failed = [(role, need) for role, need in job.needs.items() if self.records[need].status == "failed"]
        if failed:
            role, need = failed[0]
            self._fail(job, f"the draw of its {role} failed; see the record {self.ids[need]}.", workers)
        else:
            workers.start(job, "bench.jobs.execute:execute", self._work(job))
        return True

    def _fail(self, job: Job, why: str, workers: Workers) -> None:
        """Have a record written for a job that cannot write its own."""
        self._failing.add(job)
        workers.start(job, "bench.jobs.execute:fail", self._work(job), why)

    def _work(self, job: Job) -> Work:
        draws = {role: self.ids[need] for role, need in job.needs.items()}
        return Work(job, self.ids[job], self.facts, draws, not self.force, job in self.unkept, self._again.get(job, ""))
