"""What a person sees while a grid runs: one progress bar on a terminal, plain lines elsewhere; on stderr."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from bench.records.record import Record
from bench.request.plan import Job

if TYPE_CHECKING:
    from tasks.base import Task
    from tickets.training.progress import Progress as Step


class Display:
    """One bar for the whole command, and a line for each job that ends.

    Args:
        verbose: tell of jobs that start and of their steps, too.
    """

    def __init__(self, verbose: bool = False) -> None:
        self.verbose = verbose
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
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
        self.live = self.bar if self.console.is_terminal else nullcontext()
        self._task: Any = None
        self._timed: Any = None
        self._done = 0
        self._step: dict[Job, int] = {}
        self._said: dict[Job, int] = {}

    def __enter__(self) -> Display:
        self.live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.live.__exit__(*error)

    def say(self, text: str) -> None:
        """A line of its own."""
        self.console.print(escape(text))

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

    def expect(self, steps: int) -> None:
        """All steps that will be trained; starts the bar."""
        if self._task is not None:
            self.bar.remove_task(self._task)
        self._task = self.bar.add_task("starting", total=steps)

    def skipped(self, job: Job, record: Record) -> None:
        """A job whose record was there."""
        self.say(f"skipped {job}: its record exists{_score(record)}")

    def elsewhere(self, job: Job) -> None:
        """A job that another run of the same home is at."""
        self.say(f"waiting for {job}: another run is at it")

    def started(self, job: Job) -> None:
        """A job begins."""
        if self.verbose:
            self.say(f"started {job}")

    def progress(self, job: Job, step: Step) -> None:
        """A running job is at a step."""
        self._done += step.step - self._step.get(job, 0)
        self._step[job] = step.step
        metric = "" if step.metric is None else f" val {step.metric:.3f}"
        state = f"loss {step.loss:.3f}{metric} sparsity {step.sparsity:.2f}: {job}"
        if self._task is not None:
            self.bar.update(self._task, completed=self._done, description=escape(state))
        tenth = 10 * step.step // step.steps
        if self.verbose and tenth > self._said.get(job, -1):
            self._said[job] = tenth
            self.say(f"step {step.step}/{step.steps} {state}")

    def finished(self, job: Job, record: Record) -> None:
        """A job has its record."""
        if record.status == "failed":
            self.say(f"FAILED {job}: {(record.error or '').splitlines()[0]}")
        else:
            self.say(f"done {job}{_score(record)}{_drawn(record)}{_time(record)}")


def _drawn(record: Record) -> str:
    """At how many time steps a ticket was drawn, where that was chosen."""
    told = record.config.get("timesteps")
    return f", drawn at {told['drawn']} of {told['full']} time steps" if told else ""


def _time(record: Record) -> str:
    return "" if record.costs is None else f" ({record.costs.wall_s:.0f} s)"


def _score(record: Record) -> str:
    return "" if record.scores is None else f": {record.scores.primary} {record.scores.score:.4f}"
