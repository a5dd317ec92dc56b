"""A home after a very short run on a few of the embedded images, made in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from bench import provenance
from bench.jobs.work import Facts, Work
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


def short_run(home: Path) -> dict[str, str]:
    """Draw by gmp on cls, transfer to seg, its random control, the dense reference; the records' names by kind."""
    from bench.jobs.execute import execute, identify_all

    scale = scales.load(SHORT, 0.01)
    tasks = {name: scale.plan(name).task(name, None) for name in ("cls/figures", "seg/figures")}
    prints = {name: task.prepare(1) for name, task in tasks.items()}
    facts = Facts(
        scale=scale, budget=0.01, tasks=tasks, fingerprints=prints, home=home, threads=1, workers=0, device="cpu",
        host="supernet/tiny",
    )  # fmt: skip
    draw = Job("draw", "cls/figures", None, "gmp", 0.9, 0)
    ways = {"transfer": ("transfer", None, None), "random": ("control", "random", "random")}
    jobs = {"draw": draw} | {
        name: Job(kind, "cls/figures", "seg/figures", "gmp", 0.9, 0, transform, "finetune", "fresh", control)
        for name, (kind, transform, control) in ways.items()
    }
    jobs["dense"] = Job("control", None, "seg/figures", "dense", 0.0, 0, None, "scratch", "fresh", "dense")
    ids = identify_all(list(jobs.values()), facts)
    for job in jobs.values():
        assert execute(Work(job, ids[job], ids.get(job.needs), facts)).status == "ok"
    return {name: ids[job] for name, job in jobs.items()}
