"""One job, from its description to its record. Runs in a worker process; the first thing here to import torch."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch
from filelock import FileLock, Timeout

from bench import curves, provenance, record
from bench.jobs.store import Store
from bench.jobs.work import Facts, Work
from bench.request.plan import Job, describe
from bench.request.scale import Phase, Plan
from tasks.base import Task
from tasks.feed import Feed
from tickets import drawers
from tickets.cost import dense_macs, layer_costs, sparse_macs
from tickets.drawer import AFTER, BEFORE, Request, initial_head
from tickets.errors import CannotWriteError
from tickets.host import host_spec
from tickets.masks import Masks
from tickets.network import Network
from tickets.progress import Progress
from tickets.recipe import transfer
from tickets.recipes import RECIPES
from tickets.ticket import Ticket
from tickets.training import Settings, Spent
from tickets.transforms import TRANSFORMS

TRAINED_BY = ("weight_decay", "optimizer", "eps", "schedule", "decay", "falls", "warmup")
"""What a plan says in the words of `Settings`."""


@dataclass(frozen=True)
class Outcome:
    """What a job measured.

    Args:
        ticket: that was drawn or trained.
        network: host and head as scored.
        feed: the task that it was scored on.
        masks: in force, as the network names them.
        spent: training work of this job.
        scores: metrics by split, and for draws those around the last pruning.
        drawing_macs: training MACs of the draw that this job used.
    """

    ticket: Ticket
    network: Network
    feed: Feed
    masks: Masks
    spent: Spent
    scores: dict[str, Any]
    drawing_macs: int = 0


def execute(work: Work, report: Callable[[Progress], None] | None = None) -> record.Record | None:
    """Do a job and write its record; a job that fails leaves a record that says why.

    Two runs that share a home do each job once: while one does it, the other gets None, and then the record.

    Args:
        work: what to do.
        report: told about progress.

    Returns:
        The record, or None where another process is at this job.

    Raises:
        CannotWriteError: the home takes no more files.
    """
    store = Store(work.facts.home)
    lock = FileLock(store.lock(work.id))
    store.lock(work.id).parent.mkdir(parents=True, exist_ok=True)
    try:
        with lock.acquire(blocking=False):
            since = store.finished(work.job, work.id) if work.unless_finished else None
            found = since or _done(work, store, report)
            with suppress(OSError):  # held to the end: who waits for it sees that it guards no name any more
                store.lock(work.id).unlink()
            return found
    except Timeout:
        return None
    except OSError as error:
        raise CannotWriteError(f"cannot lock {store.lock(work.id)}: {error.strerror or error}.") from error


def _done(work: Work, store: Store, report: Callable[[Progress], None] | None) -> record.Record:
    torch.set_num_threads(work.facts.threads)
    torch.set_flush_denormal(True)
    provenance.forget_peak()
    started = time.monotonic()
    try:
        _verify_data(work.job, work.facts)
        with curves.written(store.curves(work.id) if work.facts.tensorboard else None, report) as told:
            outcome = _draw(work, store, told) if work.job.kind == "draw" else _transfer(work, store, told)
        _verify_data(work.job, work.facts)
        found = _succeeded(work, outcome, time.monotonic() - started)
    except CannotWriteError:  # no fault of the job, and its record would not be taken either
        raise
    except Exception as error:  # whatever it is: it goes into the record, and the grid goes on
        return fail(work, f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}")
    found.write(store.records)
    store.checkpoint(work.id).unlink(missing_ok=True)
    return found


def _verify_data(job: Job, facts: Facts) -> None:
    """See that the job's data are still those that the run prepared and the record will name."""
    for task in job.tasks:
        facts.tasks[task].verify(task, facts.fingerprints[task])


def fail(work: Work, error: str, report: object = None) -> record.Record:
    """Write the record of a job that failed, and return it; `report` is there for `bench.jobs.workers`."""
    found = record.Record(**frame(work), status="failed", error=error[:2000])
    found.write(Store(work.facts.home).records)
    return found


def _draw(work: Work, store: Store, report: Callable[[Progress], None] | None) -> Outcome:
    """Draw a ticket, save it, and score it from its file."""
    job, plan = work.job, work.facts.scale.plan(work.job.source)
    feed = make_feed(work, job.source, plan)
    base = Ticket.load(store.ticket(work.draw_id)) if work.draw_id else None
    request = Request(
        spec=host_spec(work.facts.host),
        source=feed,
        settings=settings_of(plan, plan.draw, work.facts),
        sparsity=job.sparsity,
        seed=job.seed,
        base=base,
        checkpoint=store.checkpoint(work.id),
        report=report,
    )
    drawers.make(job.drawer, interval=plan.draw.interval).draw(request).save(store.ticket(work.id))
    ticket = Ticket.load(store.ticket(work.id))
    network = source_network(ticket, feed)
    during = {key: score for key, score in ticket.provenance["scores"].items() if key in (BEFORE, AFTER)}
    spent, scores = Spent(**ticket.provenance["spent"]), {**scores_of(feed, network), **during}
    return Outcome(ticket, network, feed, ticket.network_masks(), spent, scores, ticket.provenance["base"]["macs"])


def _transfer(work: Work, store: Store, report: Callable[[Progress], None] | None) -> Outcome:
    """Train a ticket, or its control, on the target and score it once."""
    job, plan = work.job, work.facts.scale.plan(work.job.target)
    feed = make_feed(work, job.target, plan)
    drawing = 0
    if work.draw_id is None:
        ticket = Ticket.dense(host_spec(work.facts.host))
    else:
        ticket = Ticket.load(store.ticket(work.draw_id))
        drawing = ticket.macs_spent
    if job.transform is not None:
        ticket = TRANSFORMS[job.transform](ticket, job.seed)
    training = transfer(
        ticket, RECIPES.load(job.recipe)(), feed, settings_of(plan, plan.transfer, work.facts), job.seed, job.head
    )
    training.run(store.checkpoint(work.id), report)
    network = training.averaged()
    scores = scores_of(feed, network)
    return Outcome(ticket, network, feed, training.network.masks, training.spent, scores, drawing)


def scores_of(feed: Feed, network: Network) -> dict[str, Any]:
    """All metrics on val and, read only here, on test, there by class too where the metric tells."""
    test = feed.measure(network, "test")
    by_class = getattr(test, "per_class", dict)()
    names = feed.task.info.names
    return {
        "val": feed.score(network, "val"),
        "test": test.compute(),
        "classes": {
            key: {name: None if value != value else value for name, value in zip(names, values.tolist(), strict=True)}
            for key, values in by_class.items()
        },
    }


def make_feed(work: Work, task: str, plan: Plan) -> Feed:
    """The task bound to this job's seed, batch size and device."""
    return Feed(
        name=task,
        task=work.facts.tasks[task],
        batch_size=plan.batch_size,
        seed=work.job.seed,
        heads=work.facts.scale.heads,
        workers=work.facts.workers,
        device=torch.device(work.facts.device),
    )


def settings_of(plan: Plan, phase: Phase, facts: Facts) -> Settings:
    """A scale's numbers as the training loop takes them."""
    return Settings(
        steps=phase.steps,
        learning_rate=phase.learning_rate,
        rho=phase.rho,
        **{name: getattr(plan, name) for name in TRAINED_BY},
        equal=facts.equal,
        precision=facts.precision,
        compiled=facts.compiled,
    )


def source_network(ticket: Ticket, feed: Feed) -> Network:
    """The averaged ticket with its source head, as loaded: what its source score belongs to."""
    host = ticket.build("ema")
    head = initial_head(feed, host, 0, ticket.head.units or None)
    head.load_state_dict(ticket.head.state("ema"), strict=True)
    network = Network(host, head).to(feed.device)
    return network.to(memory_format=torch.channels_last).eval()


def _succeeded(work: Work, outcome: Outcome, wall_s: float) -> record.Record:
    feed, spent, masks = outcome.feed, outcome.spent, outcome.masks
    layers = layer_costs(outcome.network, feed.size)
    dense_weights = sum(layer.weights for layer in layers)
    removed = sum(mask.numel() - int(mask.sum()) for mask in masks.values())
    size = outcome.ticket.costs(feed.size)
    return record.Record(
        **frame(work),
        status="ok",
        scores={"primary": feed.primary, "score": outcome.scores["test"][feed.primary], **outcome.scores},
        counts={split: len(feed.task.split(split)) for split in ("train", "val", "test")},
        test_split=feed.task.info.test,
        ticket={
            "hash": outcome.ticket.hash,
            "sparsity": outcome.ticket.sparsity,
            "remaining": outcome.ticket.remaining,
            **size,
        },
        deployed={
            "parameters": sum(p.numel() for p in outcome.network.parameters()) - removed,
            "macs": dense_macs(layers),
            "sparse_macs": sparse_macs(layers, masks),
            "sparsity": removed / dense_weights,
        },
        costs={
            "training_macs": spent.macs,
            "sparse_training_macs": spent.sparse_macs,
            "drawing_macs": outcome.drawing_macs,
            "images": spent.images,
            "wall_s": wall_s,
            "peak_mib": provenance.peak_mib(),
        },
    )


def frame(work: Work) -> dict[str, Any]:
    """What a record says whether or not the job succeeded."""
    job = work.job
    phase = "draw" if job.kind == "draw" else "transfer"
    plan = work.facts.scale.plan(job.trained_on)
    device = work.facts.device
    return {
        "id": work.id,
        "kind": job.kind,
        "job": {
            **describe(job),
            "scale": work.facts.scale.name,
            "host": work.facts.host,
            "budget": work.facts.budget,
            "equal": work.facts.equal,
        },
        "config": {
            "heads": work.facts.scale.heads,
            "size": list(plan.size),
            "batch_size": plan.batch_size,
            "options": plan.options,
            "interval": getattr(plan, phase).interval,
            "settings": asdict(settings_of(plan, getattr(plan, phase), work.facts)),
            "draw": work.draw_id,
        },
        "versions": versions(job, work.facts.tasks),
        "fingerprints": {task: work.facts.fingerprints[task] for task in job.tasks},
        "redraw": redraw_command(job, work.facts) if job.source else None,
        **provenance.stamp(
            torch.cuda.get_device_name(device) if device.startswith("cuda") else device, work.facts.threads
        ),
    }


def redraw_command(job: Job, facts: Facts) -> str:
    """What draws the job's ticket again and does nothing else."""
    options = {
        "source": job.source,
        "target": "none",
        "drawer": job.drawer,
        "sparsity": f"{job.sparsity:g}",
        "seed": job.seed,
        "scale": facts.scale.name,
        "host": facts.host,
        "budget": f"{facts.budget:g}",
        "equal": facts.equal,
        "precision": facts.precision,
        "threads": facts.threads,
    }
    flags = [f"--{name} {value}" for name, value in options.items()] + ["--compile"] * facts.compiled
    return " ".join(["python -m bench.run", *flags])


def identify(job: Job, draw_id: str | None, facts: Facts) -> str:
    """The name of a job's record: readable, with a hash of everything that determines the result.

    Args:
        job: what is computed.
        draw_id: name of the draw that it needs, which stands for all that determines the ticket.
        facts: the run's scale, data and threads.
    """
    phase = "draw" if job.kind == "draw" else "transfer"
    plan = facts.scale.plan(job.trained_on)
    return record.job_id(
        job.prefix,
        {
            "job": describe(job.asked) if job.kind != "draw" else describe(job),
            "draw": draw_id,
            "spec": host_spec(facts.host).to_json(),
            "heads": facts.scale.heads,
            "size": plan.size,
            "batch_size": plan.batch_size,
            "options": plan.options,
            "interval": getattr(plan, phase).interval,
            "settings": asdict(settings_of(plan, getattr(plan, phase), facts)),
            "versions": versions(job, facts.tasks),
            "fingerprints": {task: facts.fingerprints[task] for task in job.tasks},
            "threads": facts.threads,
            "device": facts.device.partition(":")[0],
        },
    )


def identify_all(jobs: list[Job], facts: Facts, report: object = None) -> dict[Job, str]:
    """Names for jobs that are listed draws first; `report` is there for `bench.jobs.workers` and is not used."""
    found: dict[Job, str] = {}
    for job in jobs:
        found[job] = identify(job, found.get(job.needs), facts)
    return found


def versions(job: Job, tasks: dict[str, Task]) -> dict[str, Any]:
    """Versions of everything of ours that computes a job's score."""
    return {
        "task": {task: tasks[task].info.version for task in job.tasks},
        "drawer": drawers.make(job.drawer).version if job.source else None,
        "recipe": RECIPES.load(job.recipe).version if job.recipe else None,
    }
