"""How fast a data set's training batches come, against how fast the training step takes them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from bench.request import scale as scales
from bench.speed.request import Request
from bench.speed.steps import Laid, settings_of
from bench.speed.synthetic import SEED, layout_of, network_of
from bench.speed.timing import Run, Times
from tasks.base import Task
from tasks.feed import Feed
from tickets.source import Batch
from tickets.training.loop import Training

STEP, ALONE, AHEAD = "training step", "loader, 0 workers", "loader, 2 workers"
WORKERS = 2
PULLED = 32  # batches a call takes from a loader
QUEUED = 2 * WORKERS  # that loader processes had ready when their turn came, and that are not counted


def located(request: Request) -> Task:
    """The adapter, its data found and prepared.

    Raises:
        DataError: they are not there, or broken.
    """
    task = scales.load(request.preset).plan(request.task).task(request.task, request.places.of(request.task))
    task.locate()
    task.prepare()
    return task


def runs(request: Request, task: Task) -> dict[str, Run]:
    """One training step on a batch that is there, and loaders that are asked for `PULLED` batches."""
    feed = Feed(request.task, task, request.batch, SEED, scales.load(request.preset).heads)
    batch = next(feed.batches(0, 1))
    training = Training(Laid(network_of(request, feed), layout_of(request)), feed, settings_of(request), SEED)
    return {
        STEP: lambda: training._step(batch),
        ALONE: _pulling(feed.batches(0, None), PULLED),
        AHEAD: _pulling(Feed(feed.name, task, feed.batch_size, SEED, feed.heads, WORKERS).batches(0, None), PULLED),
    }


def a_batch(times: Times) -> Times:
    """Seconds a batch from seconds a call; batches that were queued before the call count as none."""
    counted = {STEP: 1, ALONE: PULLED, AHEAD: PULLED - QUEUED}
    return {name: [seconds / counted[name] for seconds in taken] for name, taken in times.items()}


def _pulling(batches: Iterator[Batch], count: int) -> Run:
    return lambda: [None for _ in islice(batches, count)]
