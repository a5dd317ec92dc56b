"""A home after a very short run on a few of the embedded images, made in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.jobs.work import Facts, Work
from bench.records import provenance
from bench.records.record import Record
from bench.records.setting import Setting
from bench.request import scale as scales
from bench.request.plan import Job
from tasks.figures import scenes

COMMIT = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
SHORT = "tiny@size=32x32@batch_size=8"


@contextmanager
def few_images(cache: Path) -> Iterator[pytest.MonkeyPatch]:
    """The embedded data with 64 and 24 images, at a clean commit; nothing of it lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "TRAIN", 64)
        patch.setattr(scenes, "TEST", 24)
        patch.setattr(provenance, "commit", lambda: (COMMIT, False))
        patch.setenv("TICKETBENCH_CACHE", str(cache))
        yield patch
        torch.set_flush_denormal(False)


def short_facts(home: Path) -> Facts:
    """What a very short run's jobs on cls and seg share, their data prepared."""
    setting = Setting(scale=SHORT, host="supernet/tiny", budget=0.01)
    scale = scales.load(setting.scale, setting.budget)
    tasks = {name: scale.plan(name).task(name, None) for name in ("cls/figures", "seg/figures")}
    return Facts(setting, scale, tasks, {name: task.prepare(1) for name, task in tasks.items()}, home)


def done(jobs: Sequence[Job], facts: Facts, **how: Any) -> list[Record]:
    """The records of jobs that are listed draws first, each executed in this process."""
    from bench.jobs.execute import execute
    from bench.jobs.identity import identify_all

    ids = identify_all(list(jobs), facts)
    works = [Work(job, ids[job], facts, {role: ids[need] for role, need in job.needs.items()}, **how) for job in jobs]
    return [execute(work) for work in works]


def short_run(home: Path) -> dict[str, str]:
    """Draw by gmp on cls, transfer to seg, its random control, the dense reference; the records' names by kind."""
    draw = Job("draw", "cls/figures", None, "gmp", 0.9, 0)
    ways = {"transfer": ("transfer", None, None), "random": ("control", "random", "random")}
    jobs = {"draw": draw} | {
        name: Job(kind, "cls/figures", "seg/figures", "gmp", 0.9, 0, transform, "finetune", "fresh", control)
        for name, (kind, transform, control) in ways.items()
    }
    jobs["dense"] = Job("control", None, "seg/figures", "dense", 0.0, 0, None, "scratch", "fresh", "dense")
    records = done(list(jobs.values()), short_facts(home))
    assert {record.status for record in records} == {"ok"}
    return {name: record.id for name, record in zip(jobs, records, strict=True)}
