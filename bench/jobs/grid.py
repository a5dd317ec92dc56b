"""Running a grid: which jobs are there already, the others by an engine, one display for all."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.engines.contract import Death, Engine, Message
from bench.jobs.again import Again
from bench.jobs.display import Display
from bench.jobs.order import Queue
from bench.jobs.store import Store
from bench.jobs.work import Elsewhere, Facts, Undone, Work
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
    _engine: Engine = field(init=False, repr=False)
    _queue: Queue = field(init=False, repr=False)
    _again: Again = field(init=False, repr=False)

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

    def run(self, engine: Engine) -> None:
        """Do all missing jobs, each as soon as its draws are there and the engine is free, the longest way first.

        A job that another run of this home is at is asked for again until its record is there.

        Raises:
            UserError: the home takes no more records, or the engine no more calls.
        """
        self._engine, self._queue = engine, Queue(self.missing, self.cost)
        self._again = Again(self._queue, engine.is_one_machine)
        running = 0
        while len(self.records) < len(self.jobs):
            self._ask_again(time.monotonic())
            for job in self._again.next(engine.free, running):
                running += self._start(job)
            if not running:
                time.sleep(AGAIN_S / 4)
                continue
            for message in engine.messages():
                running -= message.kind == "result"
                running -= self._hear(message)

    def _ask_again(self, now: float) -> None:
        """Queue the jobs that another run was at when they were asked for long enough ago."""
        for job in [*itertools.takewhile(lambda job: now - self._elsewhere[job] >= AGAIN_S, self._elsewhere)]:
            del self._elsewhere[job]
            self._queue.put_back(job)

    def _hear(self, message: Message) -> bool:
        """Act on what the engine says; whether the job that it tells of runs no more though there was no result."""
        if message.kind == "progress":
            self.display.progress(message.key, message.value)
        elif message.kind == "refused":
            raise UserError(f"{message.value} {GO_ON}")
        elif message.kind == "died":
            return self._bury(message.key, message.value)
        elif isinstance(message.value, Elsewhere):
            self._is_elsewhere(message.key, message.value)
        elif isinstance(message.value, Undone):
            self._is_undone(message.key, message.value)
        else:
            self._end(message.key, message.value)
        return False

    def _end(self, job: Job, record: Record) -> None:
        """A job has its record."""
        self.records[job] = record
        self._again.over(job)
        self.display.finished(job, record)
        self._again.renewed(job)
        self._queue.end(job)

    def _bury(self, job: Job, death: Death) -> bool:
        """A call has ended without a result: take what it has left, or try it once more, or have a record say so.

        Returns:
            Whether nothing runs for the job now.
        """
        why = f"{death.why}."
        if job in self._failing:
            raise UserError(f"{self.ids[job]} leaves no record, {why} {GO_ON}")
        if found := self._left(job):
            self._end(job, found)
            return True
        if self._again.tries(job) < death.tries:
            self._try_again(job, why)
            return True
        self._fail(job, f"{why} {self._again.why(job)}".strip())
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
        self.display.say(f"{self._again.once_more(job, why)}: {job}, since {why}")

    def _is_undone(self, job: Job, undone: Undone) -> None:
        """A job is to be done again: after the draw that it names, or for itself."""
        if not undone.draw:
            self._try_again(job, f"{undone.why}.")
            return
        draw = next(need for need in job.needs.values() if self.ids[need] == undone.draw)
        if not self._again.is_renewed(draw):
            Store(self.facts.home).put_aside(undone.draw)
            self.display.say(f"drawn again: {draw}, since {undone.why}")
            self.records.pop(draw)
            self._again.renew(draw)
        if draw not in self.records:
            self._again.wait(job, draw)
        elif not self._again.with_renewed(job):
            raise UserError(f"{undone.why} It was drawn again in this run and is damaged anew. {GO_ON}")

    def _is_elsewhere(self, job: Job, found: Elsewhere) -> None:
        if job not in self._told:
            self._told.add(job)
            self.display.elsewhere(job, found)
        self._elsewhere[job] = time.monotonic()
        self._again.over(job)

    def _start(self, job: Job) -> bool:
        """Begin a job; whether that could be, and it need not wait for a draw that is drawn again."""
        for need in job.needs.values():
            if need not in self.records:
                self._again.wait(job, need)
                return False
        self.display.started(job)
        self._began[job] = time.time() - CLOCK_S
        failed = [(role, need) for role, need in job.needs.items() if self.records[need].status == "failed"]
        if failed:
            role, need = failed[0]
            self._fail(job, f"the draw of its {role} failed; see the record {self.ids[need]}.")
        else:
            self._engine.start(job, "bench.jobs.execute:execute", self._work(job))
        return True

    def _fail(self, job: Job, why: str) -> None:
        """Have a record written for a job that cannot write its own."""
        self._failing.add(job)
        self._engine.start(job, "bench.jobs.execute:fail", self._work(job), why)

    def _work(self, job: Job) -> Work:
        draws = {role: self.ids[need] for role, need in job.needs.items()}
        return Work(job, self.ids[job], self.facts, draws, not self.force, job in self.unkept, self._again.why(job))
