"""Checks of training batches: what decides them, and how fast they come."""

from __future__ import annotations

import time

import numpy as np
import torch

from tasks.arrays import Arrays
from tasks.contract.promise import promise, require
from tasks.contract.subject import PAGE, Subject
from tickets.seeding import generator, seeded

LOADED = 32  # images a batch whose loading is timed


@promise("batches are decided by seed and step alone, for 0 and 2 workers")
def _deterministic(subject: Subject) -> str:
    first = list(subject.feed().batches(0, 3))
    for told, again in (
        ("asked for again", subject.feed().batches(0, 3)),
        ("loaded by 2 workers", subject.feed(workers=2).batches(0, 3)),
    ):
        for step, (one, other) in enumerate(zip(first, again, strict=True)):
            wrong = [key for key in one if not torch.equal(one[key], other[key])]
            require(not wrong, f"batch {step} has other values of {', '.join(wrong)} when {told}")
    resumed = next(subject.feed().batches(2, 3))
    require(torch.equal(first[2]["image"], resumed["image"]), "batch 2 differs when training begins there")
    other = next(subject.feed(seed=1).batches(0, 1))
    require(not torch.equal(first[0]["image"], other["image"]), "another seed gives the same batch")
    return f"{len(first)} batches of {PAGE}"


@promise("augmentation leaves the stored samples as they are")
def _untouched(subject: Subject) -> str:
    data = subject.task.split("train")
    raw = data.gather(range(min(PAGE, len(data)))) if isinstance(data, Arrays) else dict(data[0])
    kept = {key: np.asarray(value).copy() for key, value in raw.items()}
    if isinstance(data, Arrays):
        one, other = (subject.task.batch(raw, generator(seed, "contract")) for seed in (0, 1))
        require(not torch.equal(one["image"], other["image"]), "the generator changes nothing")
    else:
        with seeded(0, "contract"):
            subject.task.view(raw, training=True)
    wrong = [key for key, value in raw.items() if not np.array_equal(np.asarray(value), kept[key])]
    require(not wrong, f"{', '.join(wrong)} of the stored samples changed")
    return ", ".join(kept)


@promise("it loads training batches")
def _speed(subject: Subject) -> str:
    told = []
    for workers in (0, 2):
        batches = subject.feed(workers, size=LOADED).batches(0, None)
        next(batches)
        start, done = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < subject.seconds or not done:
            next(batches)
            done += LOADED
        batches.close()
        told.append(f"{done / max(spent, 1e-9):,.0f} images/s with {workers} workers")
    return f"{', '.join(told)}, {LOADED} a batch"
