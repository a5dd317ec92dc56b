"""What a grid costs beside its jobs: of jobs that compute nothing by each engine, and of a suite that is done."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from bench.engines.choice import LOCAL, RAY, Choice, Demand, made
from bench.engines.contract import Engine
from bench.engines.local import Workers
from bench.jobs.display import Display
from bench.jobs.grid import Grid
from bench.jobs.names import named
from bench.jobs.store import Store
from bench.jobs.work import Facts, Work
from bench.request.config import How, RunConfig, parse
from bench.request.plan import Job, jobs
from bench.request.sweep import DEFAULTS
from bench.speed.request import Request
from bench.speed.timing import Run, Times

DONE = "finished"
JOBS, FINISHED = 50, 10_000
"""Jobs without work of a call, and jobs of the suite that is done."""
SHORT: dict[str, Any] = {"scale": "tiny@size=32x32", "budget": 0.01, "kernels": "torch"}
"""The setting of all of them, and the same as a command has it."""
WORDS = "--set size=32x32 --budget 0.01 --kernels torch --source none --target cls --keep none"


class Idle:
    """An engine that has each job leave a record that says that nothing was computed.

    Args:
        engine: does that.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def start(self, key: Any, function: str, work: Work) -> None:
        """Begin a call."""
        self.engine.start(key, "bench.jobs.execute:fail", work, "nothing was computed, to time the grid.")


@contextmanager
def runs(request: Request) -> Iterator[dict[str, Run]]:
    """By engine a grid of `JOBS` jobs, its workers at hand; and a second run of a suite of `FINISHED` jobs."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        home, found = Path(folder), {}
        for engine in (LOCAL, RAY):
            if engine == LOCAL or importlib.util.find_spec(RAY):
                entered = stack.enter_context(_engine(engine, request, home))
                found[engine] = _idle(entered, _asked(JOBS, request, home / engine))
        found[DONE] = _again(_asked(FINISHED, request, home / DONE))
        yield found


def a_job(times: Times) -> Times:
    """Seconds a job from seconds a grid; the suite that is done stays as it is."""
    return {name: [one if name == DONE else one / JOBS for one in taken] for name, taken in times.items()}


def _asked(count: int, request: Request, home: Path) -> RunConfig:
    """So many references, which differ in their seed."""
    sweep = {**DEFAULTS, "source": "none", "target": "cls", "seed": f"0-{count - 1}"}
    at_once = max(1, (os.cpu_count() or 1) // request.threads)
    return parse([sweep], {**SHORT, "threads": request.threads}, How(home, jobs=at_once))


def _engine(name: str, request: Request, home: Path) -> Any:
    """The engine, to be entered."""
    how = _asked(1, request, home).how
    if name == LOCAL:
        return Workers(how.jobs, request.threads, ("bench.jobs.execute",))
    return made(Choice(name), Demand(how.jobs, request.threads, home=home, folders=(home,)))


def _facts(asked: RunConfig, todo: Sequence[Job]) -> Facts:
    tasks = {name: asked.scale.plan(name).task(name, None) for name in {job.trained_on for job in todo}}
    fingerprints = {name: task.prepare(os.cpu_count() or 1) for name, task in tasks.items()}
    return Facts(asked.setting, asked.scale, tasks, fingerprints, asked.how.home)


def _idle(engine: Engine, asked: RunConfig) -> Run:
    """A grid whose jobs compute nothing, each time under new names."""
    todo, numbers = jobs(asked), itertools.count()
    facts = _facts(asked, todo)

    def run() -> None:
        number = next(numbers)
        ids = {job: f"{job.prefix}-{number:04x}" for job in todo}
        grid = Grid(todo, ids, facts, Display(quiet=True))
        grid.skip_finished()
        grid.run(cast("Engine", Idle(engine)))

    return run


def _again(asked: RunConfig) -> Run:
    """The command for a suite that is done: one of its records is computed, the others are made of it."""
    todo = jobs(asked)
    facts, store = _facts(asked, todo), Store(asked.how.home)
    with Workers(1, asked.setting.threads) as workers:
        ids = named(todo, facts, workers)
        first = workers.call("bench.jobs.execute:execute", Work(todo[0], ids[todo[0]], facts))
    for job, name in ids.items():
        told = first.model_copy(update={"id": name, "job": first.job.model_copy(update={"seed": job.seed})})
        (store.records / f"{name}.json").write_text(told.to_json(), encoding="utf-8")
    where = ["--home", str(asked.how.home), "--threads", str(asked.setting.threads), "--seed", f"0-{FINISHED - 1}"]
    words = [sys.executable, "-m", "bench.run", *WORDS.split(), *where]
    return lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
