"""python -m bench.run: draw tickets on source tasks, transfer them to target tasks, leave records and a table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.command import console, flags
from bench.engines import choice
from bench.records.setting import AUTO
from bench.request import config as configs
from bench.request import scale as scales
from bench.request import suite as suites
from bench.request.config import FEW, How, RunConfig
from bench.request.plan import Job, jobs
from bench.request.ranks import launched, local, rank
from tasks import TASKS
from tasks.data.places import told
from tickets import contract
from tickets.drawers import DRAWERS
from tickets.errors import UserError

if TYPE_CHECKING:
    from bench.engines.contract import Engine
    from bench.engines.local import Workers
    from bench.jobs.display import Display
    from bench.jobs.work import Facts
    from bench.records.record import Record
    from tasks.base import Task

app = console.application()

JOBS_IMPORT = ("bench.jobs.execute", "torch._dynamo")
"""What all jobs import; the latter comes with every optimiser."""

GRID, TRAINING, RUNNING = "What to compare", "How it is trained", "How it is run"


def _option(name: str, help_text: str, panel: str, **more: Any) -> Any:
    return typer.Option(f"--{name}", help=help_text, rich_help_panel=panel, **more)


@app.command()
@flags.with_setting(TRAINING)
def run(
    context: typer.Context,
    setting: Mapping[str, Any],
    source: Annotated[str, _option("source", "Tasks to draw on; none for dense references alone.", GRID)] = "cls",
    target: Annotated[str, _option("target", "Tasks to transfer to, or none.", GRID)] = "seg",
    drawer: Annotated[
        str, _option("drawer", "Methods that draw, as in supertickets,imp@rounds=5, or all.", GRID)
    ] = "supertickets",
    sparsity: Annotated[str, _option("sparsity", "Removed shares of the weights, in [0, 1).", GRID)] = "0.9",
    seed: Annotated[str, _option("seed", "Seeds, as in 0,1,2 or 0-4.", GRID)] = "0",
    recipe: Annotated[str, _option("recipe", "How tickets are trained on targets, or all.", GRID)] = "finetune",
    transform: Annotated[str, _option("transform", "What is made of tickets first, none or all.", GRID)] = "none",
    head: Annotated[str, _option("head", "fresh, or keep for targets of one kind.", GRID)] = "fresh",
    control: Annotated[str, _option("control", "dense, random, native (several) or none.", GRID)] = "dense",
    pairs: Annotated[str, _option("pairs", "all, cross (source and target differ), or each (in order).", GRID)] = "all",
    suite: Annotated[str | None, _option("suite", "A named grid, or a file.yaml; --drawer: by yours.", GRID)] = None,
    changes: Annotated[
        list[str] | None, _option("set", "Change the scale: batch_size=8, seg.draw.steps=50; repeatable.", TRAINING)
    ] = None,
    data_root: Annotated[
        Path | None,
        _option("data-root", "Folder that holds the data sets' own folders.", RUNNING, envvar="TICKETBENCH_DATA"),
    ] = None,
    data: Annotated[
        list[str] | None,
        _option("data", "A folder for one task: KIND/NAME=PATH; repeatable.", RUNNING, metavar="KIND/NAME=PATH"),
    ] = None,
    home: Annotated[Path, _option("home", "Where records and tickets go.", RUNNING)] = Path("runs"),
    workers: Annotated[int, _option("workers", "Loader processes of a job.", RUNNING)] = 0,
    jobs_at_once: Annotated[int | None, _option("jobs", "Jobs at once (default: what fits).", RUNNING)] = None,
    engine: Annotated[
        str, _option("engine", "local, ray or slurm, as in slurm@partition=gpu@time=240 (docs/cluster.md).", RUNNING)
    ] = choice.LOCAL,
    force: Annotated[bool, _option("force", "Compute jobs whose record exists again.", RUNNING)] = False,
    keep: Annotated[
        str, _option("keep", "Trained networks that stay: networks (all), none, or auto (of at most 4).", RUNNING)
    ] = "auto",
    grad_checkpointing: Annotated[
        bool, _option("grad-checkpointing", "Compute blocks' maps twice: less memory, the same result.", RUNNING)
    ] = False,
    tensorboard: Annotated[bool, _option("tensorboard", "Write curves to tensorboard/ in the home.", RUNNING)] = False,
    verbose: Annotated[bool, _option("verbose", "Tell of every job's progress.", RUNNING)] = False,
    dry_run: Annotated[
        bool, _option("dry-run", "List the jobs and their price here; --force times steps anew.", RUNNING)
    ] = False,
    download: Annotated[bool, _option("download", "Fetch sets that torchvision knows.", RUNNING)] = False,
    list_names: Annotated[bool, _option("list", "List what the flags name, plug-ins included.", RUNNING)] = False,
) -> None:
    """Draw lottery tickets on source tasks and see what they are worth on target tasks.

    Several values are separated by commas; every combination is computed once and leaves a record. A job whose
    record exists is skipped.

    Examples:

    python -m bench.run --source cls --target seg

    python -m bench.run --source cls,seg,pose --target cls,seg,pose --sparsity 0.5,0.9 --seed 0,1,2

    python -m bench.run --suite figures-v1 --seed 0 --dry-run

    python -m bench.run --suite figures-v1 --drawer mine

    python -m bench.run --data seg/leaves=DIR --data seg/flowers=DIR --source seg/leaves --target seg/flowers
    """
    if list_names:
        print(names())
        return
    sweep = dict(source=source, target=target, drawer=drawer, sparsity=sparsity, recipe=recipe, seed=seed,
                 control=control, transform=transform, head=head, pairs=pairs)  # fmt: skip
    sweeps, changes = [sweep], changes or []
    mistakes: tuple[str, ...] = ()
    if suite is not None:
        given = {name for name in (*sweep, *setting) if _is_typed(context, name)}
        found = suites.load(suite)
        sweeps = suites.narrowed(found, {name: sweep[name] for name in sweep if name in given})
        typed = {name: setting[name] for name in setting if name in given}
        if "drawer" in given:
            suites.keep_rules(suite, found, typed, changes)
        setting = {**setting, **found.whole, **typed}
        changes, mistakes = [*found.changes, *changes], found.mistakes
    fit = jobs_that_fit(setting["threads"]) if engine == choice.LOCAL else choice.MANY
    fit = 1 if launched() > 1 else fit
    asked = configs.parse(
        sweeps,
        {**setting, "scale": "@".join([setting["scale"], *changes])},
        How(
            home,
            told(data_root, data or ()),
            workers=workers,
            jobs=fit if jobs_at_once is None else jobs_at_once,
            engine=engine,
            force=force,
            tensorboard=tensorboard,
            keep=keep,
            grad_checkpointing=grad_checkpointing,
        ),
        mistakes,
    )
    if rank() > 0:
        _follow(asked, dry_run)
        return
    todo = jobs(asked)
    tasks = _located(asked, todo, download)
    (context.obj or _compute)(asked, todo, tasks, verbose, dry_run)  # bench.api brings its own


def _follow(asked: RunConfig, dry_run: bool) -> None:
    """Be one of the processes of each of rank 0's jobs; it alone tells of them."""
    from bench.engines.local import Workers

    if not dry_run:
        with Workers(1, asked.setting.threads, _preloaded(asked), _gpus(asked.how)) as workers:
            try:
                workers.call("bench.jobs.execute:follow", asked.how.device)
            except RuntimeError as error:
                raise UserError(f"process {rank()} of {launched()}: {error}.") from error


def _preloaded(asked: RunConfig) -> tuple[str, ...]:
    """What workers import before they begin."""
    return JOBS_IMPORT if asked.setting.device == "cpu" else ()  # CUDA wants processes of its own


def _gpus(how: How) -> Sequence[str]:
    """The GPUs that workers share out; of a machine's several ranks each has one."""
    from bench.engines.gpus import gpus

    found = gpus(how.device)
    return [found[local() % len(found)]] if found and launched() > 1 else found


def jobs_that_fit(threads: int) -> int:
    """Jobs that fill this machine's cores; more threads than cores stall each other."""
    return max(1, (os.cpu_count() or 1) // max(1, threads))


def _is_typed(context: typer.Context, name: str) -> bool:
    """Whether a parameter was given on the command line, and is no default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def names() -> str:
    """Every name that the flags take, a line a kind."""
    notes = {name: TASKS.note(name) for name in TASKS.names()}
    aliases = {name: alias for alias, name in TASKS.aliases.items()}
    told = {name: ", ".join(filter(None, (aliases.get(name), note))) for name, note in notes.items()}
    shown = {**known(), "tasks": [f"{name} ({said})" if said else name for name, said in told.items()]}
    return "\n".join(f"{kind}: {', '.join(members)}" for kind, members in shown.items())


def known() -> dict[str, list[str]]:
    """Every name that the flags take, by kind, without importing what they name."""
    members = {
        f"{one.noun}s": [*one.names(), *(f"{family}/NAME" for family in one.families)]
        for one in contract.REGISTRIES.values()
    }
    return {"tasks": TASKS.names(), **members, "scales": scales.names(), "suites": suites.names()}


def _located(asked: RunConfig, todo: list[Job], download: bool) -> dict[str, Task]:
    """The adapters of all tasks, their data found, or fetched if that was asked for, but not read."""
    found: dict[str, Task] = {}
    for name in dict.fromkeys(task for job in todo for task in job.tasks):
        task = asked.scale.plan(name).task(name, asked.how.places.of(name))
        if download:
            task.download()
        task.locate()
        found[name] = task
    return found


def _compute(asked: RunConfig, todo: list[Job], tasks: dict[str, Task], verbose: bool, dry_run: bool) -> None:
    """Run what is missing and show the table; or only tell what that would take."""
    from bench.jobs.display import Display

    with Display(verbose) as display:
        if dry_run:
            print(priced(asked, todo, tasks, display))
            return
        records = computed(asked, todo, tasks, display)
    kept = keeps(asked.how.keep, todo) and any(job.kind != "draw" for job in todo)
    _show(asked, records, kept)


def computed(asked: RunConfig, todo: list[Job], tasks: dict[str, Task], display: Display) -> list[Record]:
    """Prepare the data and run what is missing.

    Args:
        asked: the run.
        todo: its jobs, draws before what needs them.
        tasks: the adapters of all their tasks, located.
        display: told what happens.

    Returns:
        The record of every job, those that were there before among them.

    Raises:
        UserError: data cannot be used, or the home takes no more records.
    """
    from bench.jobs.grid import Grid

    is_new = not (asked.how.home / "records").is_dir()  # else there may be nothing to do
    with _elsewhere(asked) as engine, _ready(asked, todo, tasks, display, is_new) as (facts, ids, workers):
        grid = Grid(todo, ids, facts, display, cost=lambda job: _length(asked, job), force=asked.how.force,
                    networks=asked.how.keep != AUTO)  # fmt: skip
        grid.skip_finished()
        display.expect({job: _steps(asked, job) for job in grid.missing})
        try:
            grid.run(engine or workers)
        except (KeyboardInterrupt, console.Ended):
            display.say("stopping: jobs that are at work note where they are; the same command goes on from there.")
            raise
        if launched() > 1:
            workers.call("bench.jobs.execute:dismiss", asked.how.device)
        if grid.unkept and asked.how.keep == AUTO:
            left = ", ".join(ids[job] for job in grid.unkept)
            display.say(f"there before without a trained network, which --keep networks trains once more: {left}")
        return [grid.records[job] for job in todo]


def priced(asked: RunConfig, todo: list[Job], tasks: dict[str, Task], display: Display) -> str:
    """What is there already, and what the rest would take on this machine; arguments and errors as `computed`."""
    with _ready(asked, todo, tasks, display, is_new=False) as (facts, ids, workers):
        return _price(todo, ids, facts, workers, display, asked.how.force)


@contextmanager
def _ready(
    asked: RunConfig, todo: list[Job], tasks: dict[str, Task], display: Display, is_new: bool
) -> Iterator[tuple[Facts, dict[Job, str], Workers]]:
    """Data prepared, kernels at hand, records named, workers to do the jobs; they end with the block."""
    from bench.engines.local import Workers
    from bench.jobs.kernels import Kernels
    from bench.jobs.names import named
    from bench.jobs.work import Facts

    how, is_here = asked.how, asked.how.engine == choice.LOCAL
    count = how.jobs if is_here else jobs_that_fit(asked.setting.threads)
    with (
        Kernels(asked.setting, how.kernels, display.say) as kernels,
        Workers(count, asked.setting.threads, _preloaded(asked), _gpus(how) if is_here else ()) as workers,
    ):
        if is_new:
            workers.warm()
        fingerprints = {
            name: task.prepare(os.cpu_count() or 1, lambda *at, name=name: display.preparing(name, *at))
            for name, task in tasks.items()
        }
        display.remarks(tasks)
        facts = Facts(
            kernels.settled(), asked.scale, tasks, fingerprints, how.home, how.device, how.workers, how.tensorboard,
            keeps(how.keep, todo), how.grad_checkpointing,
        )  # fmt: skip
        yield facts, named(todo, facts, workers), workers


def _elsewhere(asked: RunConfig) -> AbstractContextManager[Engine | None]:
    """The engine of a cluster, if the run is to have one; else its worker processes do the jobs.

    Raises:
        UserError: the cluster cannot be had, or does not see the run's folders.
    """
    how, chosen = asked.how, choice.chosen(asked.how.engine)
    if chosen.is_here:
        return nullcontext()
    from tickets.cache import cache_folder

    demand = choice.Demand(how.jobs, asked.setting.threads, how.workers, int(how.device != "cpu"), how.home,
                           (how.home, cache_folder().absolute()))  # fmt: skip
    return choice.made(chosen, demand)


def keeps(keep: str, todo: list[Job]) -> bool:
    """Whether a run's transfers and references leave their networks: as asked, or where they are few."""
    return keep == "networks" or (keep == AUTO and sum(job.kind != "draw" for job in todo) <= FEW)


def _price(todo: list[Job], ids: dict[Job, str], facts: Facts, workers: Workers, display: Display, anew: bool) -> str:
    """What is there already, and what the rest will take on this machine."""
    from bench.jobs import price
    from bench.jobs.paces import paces
    from bench.jobs.store import Store

    state = price.states(todo, ids, Store(facts.home))
    missing = [job for job in todo if state[job] != price.DONE]
    alike = {job.host: facts.of(job) for job in missing}
    found = {
        (task, host): pace
        for host, there in alike.items()
        for task, pace in paces(_trained_on(missing, host), there, workers, display, anew).items()
    }
    return price.told(todo, state, price.costs(missing, facts, found), facts, workers.count, found)


def _trained_on(jobs: list[Job], host: str | None) -> list[str]:
    """The tasks of those jobs that are computed on a host, each once."""
    return list(dict.fromkeys(job.trained_on for job in jobs if job.host == host))


def _length(asked: RunConfig, job: Job) -> float:
    """How long a job is, in pixels that it trains on."""
    plan = asked.scale.plan(job.trained_on)
    return (_steps(asked, job) + 1) * plan.batch_size * plan.size[0] * plan.size[1]


def _steps(asked: RunConfig, job: Job) -> int:
    if job.kind == "draw":
        return 0 if DRAWERS.traits(job.drawer).base else asked.scale.plan(job.trained_on).draw.steps
    return asked.scale.plan(job.trained_on).transfer.steps


def _show(asked: RunConfig, records: list[Record], kept: bool) -> None:
    """The table of this run's records, and where they and kept networks are; exit code 1 if a job failed."""
    from bench.boards.formats.terminal import show
    from bench.boards.leaderboard import boards

    show(boards(records))
    folder = asked.how.home / "records"
    print(f"records: {os.path.relpath(folder)}")
    if kept:
        print(f"networks: {os.path.relpath(asked.how.home / 'networks')}")
    if any(record.status == "failed" for record in records):
        raise typer.Exit(1)


if __name__ == "__main__":
    console.main(app, "python -m bench.run")
