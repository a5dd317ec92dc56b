"""A few timed steps of a task on this machine, in a worker process: what an estimate of a grid rests on."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.jobs.identity import settings_of
from bench.jobs.scoring import make_feed
from bench.jobs.work import Facts
from bench.records import provenance
from bench.request.plan import Job
from tickets.hosts import HOSTS
from tickets.hosts.native import force
from tickets.recipes.base import full_macs
from tickets.source import initial_head
from tickets.training.loop import Training
from tickets.training.network import Network

WARM_UP, TIMED = 2, 4
PAGES = 1  # of val, whose scoring is timed


@dataclass(frozen=True)
class Pace:
    """How fast a task goes.

    Args:
        start_s: until the first step: imports, data, network.
        step_s: a training step of the full network with masks to keep.
        sample_s: scoring a sample of val or test.
        macs: forward MACs of one image through the full network.
        peak_mib: memory of the process.
    """

    start_s: float
    step_s: float
    sample_s: float
    macs: int
    peak_mib: float


def pace(task: str, facts: Facts, started: float, report: object = None) -> Pace:
    """Time the full network on a task; `report` is there for `bench.jobs.workers` and is not used.

    Args:
        task: name of a prepared task.
        facts: the run's.
        started: `time.time()` when the process was asked for.
    """
    with force.using(facts.setting.kernels, facts.setting.threads):
        return _timed(task, facts, started)


def _timed(task: str, facts: Facts, started: float) -> Pace:
    feed = make_feed(task, 0, facts)
    spec = HOSTS.make(facts.setting.host)
    host = spec.initial(0)
    network = Network(host, initial_head(feed, host, 0))
    training = Training(network, feed, settings_of(Job("draw", task, None, "dense", 0.0, 0), facts), 0)
    batches = feed.batches(0, None)
    for _ in range(WARM_UP):
        training._step(next(batches))
    ready = time.time()
    for _ in range(TIMED):
        training._step(next(batches))
    stepped = time.time()
    count = feed.measure(training.network, "val", PAGES).count
    scored = time.time()
    return Pace(
        ready - started,
        (stepped - ready) / TIMED,
        (scored - stepped) / count,
        full_macs(spec, feed),
        provenance.peak_mib(),
    )
