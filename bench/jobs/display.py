"""What a person sees while a grid runs: bars on a terminal and in a notebook, plain lines elsewhere; on stderr."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from bench.jobs.notebook import Output
from bench.jobs.work import Elsewhere
from bench.numbers.amounts import duration
from bench.records.record import Record
from bench.request.plan import Job

if TYPE_CHECKING:
    from tasks.base import Task
    from tickets.training.progress import Progress as Step

TOLD_S = 60.0  # seconds between two lines that tell a pipe how far the grid is


class Display:
    """A bar for the whole command, one for each job at hand, and a line for each job that ends.

    Args:
        verbose: tell of jobs that start and of their steps, too.
        quiet: tell nothing.
    """

    def __init__(self, verbose: bool = False, quiet: bool = False) -> None:
        self.verbose = verbose
        is_notebook = Console().is_jupyter
        self.console = Console(
            stderr=not is_notebook, highlight=False, soft_wrap=True, force_jupyter=False, quiet=quiet
        )
        self.bar = Progress(
            BarColumn(bar_width=16, table_column=Column(min_width=16)),
            TaskProgressColumn(table_column=Column(min_width=4, no_wrap=True)),
            TimeRemainingColumn(table_column=Column(min_width=7, no_wrap=True)),
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            console=self.console,
            transient=True,
            expand=True,
            refresh_per_second=4,
        )
        self.is_live = not quiet and (is_notebook or self.console.is_terminal)
        self.live: Any = nullcontext()
        if self.is_live:
            self.live = Output(self.bar) if is_notebook else self.bar
        self._task: TaskID | None = None
        self._timed: TaskID | None = None
        self._bars: dict[Job, TaskID] = {}
        self._steps: Mapping[Hashable, int] = {}
        self._step: dict[Job, int] = {}
        self._said: dict[Job, int] = {}
        self._ended = self._failed = 0
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Display:
        self.live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.live.__exit__(*error)

    def say(self, text: str) -> None:
        """A line of its own; what cannot be written, as on a full disk, stops no grid."""
        with suppress(OSError):
            if self.is_live:
                self.console.print(escape(text))
            elif not self.console.quiet:  # without rich, which takes almost a millisecond a line
                print(text, file=self.console.file)

    def preparing(self, task: str, split: str, done: int, total: int) -> None:
        """How far the data of a task are."""
        if self._task is None:
            self._task = self.bar.add_task("", total=total)
        self.bar.update(self._task, description=f"preparing {task} ({split})", completed=done, total=total)
        if done == total:
            self.say(f"prepared {total:,} images of {task} ({split})")

    def remarks(self, tasks: Mapping[str, Task]) -> None:
        """What a person should know of how the data of tasks, by name, were read."""
        for name, task in tasks.items():
            for remark in task.remarks():
                self.say(f"{name}: {remark}")

    def timing(self, task: str, done: float, all_of_it: int) -> None:
        """How much of the timing of a few steps of tasks is done."""
        if self._timed is None:
            self._timed = self.bar.add_task("", total=all_of_it)
        self.bar.update(self._timed, description=f"timing steps of {task}", completed=done)

    def expect(self, steps: Mapping[Hashable, int]) -> None:
        """The steps of every job that will be trained; starts the bar."""
        if self._task is not None:
            self.bar.remove_task(self._task)
        self._steps, self._began = steps, time.monotonic()
        self._task = self.bar.add_task("starting", total=sum(steps.values()))
        self._update()

    def skipped(self, job: Job, record: Record) -> None:
        """A job whose record was there."""
        self.say(f"skipped {job}: its record exists{_score(record)}")

    def elsewhere(self, job: Job, found: Elsewhere) -> None:
        """A job that another run of the same home is at."""
        self._leave(job)
        self.say(f"waiting for {job}: another run is at it ({found.owner}; {found.lock})")

    def started(self, job: Job) -> None:
        """A job begins."""
        if self.verbose:
            self.say(f"started {job}")

    def progress(self, job: Job, step: Step) -> None:
        """A running job is at a step."""
        self._step[job] = step.step
        metric = "" if step.metric is None else f" val {step.metric:.3f}"
        state = f"loss {step.loss:.3f}{metric} sparsity {step.sparsity:.2f}: {job}"
        if job not in self._bars:
            self._bars[job] = self.bar.add_task("")
        self.bar.update(self._bars[job], completed=step.step, total=step.steps, description=escape(state))
        tenth = 10 * step.step // step.steps
        if self.verbose and tenth > self._said.get(job, -1):
            self._said[job] = tenth
            self.say(f"step {step.step}/{step.steps} {state}")
        self._update()

    def finished(self, job: Job, record: Record) -> None:
        """A job has its record."""
        if record.status == "failed":
            self._failed += 1
            self.ended(job, f"FAILED {job}: {(record.error or '').splitlines()[0]}")
        else:
            self.ended(job, f"done {job}{_score(record)}{_drawn(record)}{_time(record)}")

    def ended(self, job: Job, line: str) -> None:
        """A job is over; a line says how."""
        self.say(line)
        self._ended += 1
        self._step[job] = self._steps.get(job, self._step.get(job, 0))
        self._leave(job)
        self._update()
        if not self.is_live and self._ended < len(self._steps) and time.monotonic() - self._told > TOLD_S:
            self._told = time.monotonic()
            self.say(f"{self._whole()}{self._left()}")

    def _leave(self, job: Job) -> None:
        if job in self._bars:
            self.bar.remove_task(self._bars.pop(job))

    def _update(self) -> None:
        """Bring the bar of the whole grid up to date."""
        if self._task is not None:
            self.bar.update(self._task, completed=sum(self._step.values()), description=self._whole())

    def _whole(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._ended} of {len(self._steps)} jobs{failed}"

    def _left(self) -> str:
        """How long the rest may take, by the pace of the steps so far."""
        done, whole = sum(self._step.values()), sum(self._steps.values())
        left = (time.monotonic() - self._began) * (whole - done) / done if done else 0.0
        return f", about {duration(left)} left" if left > 0 else ""


def _drawn(record: Record) -> str:
    """At how many time steps a ticket was drawn, where that was chosen."""
    told = record.config.get("timesteps")
    return f", drawn at {told['drawn']} of {told['full']} time steps" if told else ""


def _time(record: Record) -> str:
    return "" if record.costs is None else f" ({record.costs.wall_s:.0f} s)"


def _score(record: Record) -> str:
    return "" if record.scores is None else f": {record.scores.primary} {record.scores.score:.4f}"
