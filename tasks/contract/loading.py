"""Checks of training batches: what decides them, and how fast they come."""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch

from tasks.contract.promise import promise, require
from tasks.contract.subject import PAGE, Subject
from tasks.data.split import Draw

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
    data = subject.split("train")
    rows = range(min(PAGE, len(data)))
    raw = data.take(rows)
    kept = deepcopy(raw)
    one, other = (data.made(subject.task, raw, _drawn(seed, len(rows))) for seed in (0, 1))
    require(not torch.equal(one["image"], other["image"]), "the generator changes nothing")
    wrong = sorted({key for row, copy in zip(_rows(raw), _rows(kept), strict=True) for key in _changed(row, copy)})
    require(not wrong, f"{', '.join(wrong)} of the stored samples changed")
    return ", ".join(_rows(kept)[0])


def _rows(raw: Any) -> list[Mapping[str, Any]]:
    """Samples as a split takes them: a list of them, or all in one mapping."""
    return raw if isinstance(raw, list) else [raw]


def _changed(row: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    return [key for key, value in row.items() if not np.array_equal(np.asarray(value), np.asarray(kept[key]))]


def _drawn(seed: int, count: int) -> Draw:
    return Draw((seed, "contract"), [(seed, "contract", row) for row in range(count)])


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
