"""A few timed steps of a task on this machine, in a worker process: what an estimate of a grid rests on."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.jobs import memory
from bench.jobs.identity import settings_of
from bench.jobs.paces import Pace
from bench.jobs.scoring import make_feed
from bench.jobs.work import Facts
from bench.request.plan import Job
from tasks.feed import Feed
from tickets.hosts import HOSTS
from tickets.hosts.base import HostSpec
from tickets.hosts.native import force
from tickets.recipes.base import full_macs
from tickets.source import initial_head
from tickets.training import devices, grad_checkpointing
from tickets.training.loop import Training
from tickets.training.network import Network

WARM_UP, TIMED = 2, 4
PAGES = 1  # of val, whose scoring is timed


def pace(task: str, facts: Facts, report: Callable[[float], None]) -> Pace:
    """Time the full network on a task.

    Args:
        task: name of a prepared task.
        facts: the run's.
        report: told after each step how much of all is done, in (0, 1).
    """
    setting = facts.setting
    with force.using(setting.kernels, setting.threads), grad_checkpointing.using(facts.grad_checkpointing):
        return _timed(task, facts, report)


def _timed(task: str, facts: Facts, report: Callable[[float], None]) -> Pace:
    started = time.perf_counter()
    feed, spec = make_feed(task, 0, facts), HOSTS.make(facts.setting.host)
    training = _training(feed, spec, facts)
    batches = feed.batches(0, None)
    ends = [started]
    for step in range(1, WARM_UP + TIMED + 1):
        training._step(next(batches))
        devices.finish(feed.device)
        ends.append(time.perf_counter())
        report(step / (WARM_UP + TIMED + 1))
    count = feed.measure(training.network, "val", PAGES).count
    devices.finish(feed.device)
    scored = time.perf_counter()
    return Pace(
        ends[WARM_UP] - started,
        (ends[-1] - ends[WARM_UP]) / TIMED,
        (scored - ends[-1]) / count,
        full_macs(spec, feed),
        memory.peak_mib(feed.device),
    )


def _training(feed: Feed, spec: HostSpec, facts: Facts) -> Training:
    host = spec.initial(0)
    network = Network(host, initial_head(feed, host, 0))
    return Training(network, feed, settings_of(Job("draw", feed.name, None, "dense", 0.0, 0), facts), 0)
