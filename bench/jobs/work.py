"""What travels to a worker process: a job and the facts that it shares with the others; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.request.plan import Job
from bench.request.scale import Scale
from tasks.base import Task


@dataclass(frozen=True)
class Facts:
    """What all jobs of a run share; plain values only, so that it travels to worker processes.

    Args:
        scale: sizes and steps, the budget's factor included.
        budget: that factor.
        tasks: the prepared adapters by name.
        fingerprints: of the data, by task and split.
        home: where records, tickets and checkpoints lie.
        threads: of PyTorch in a job.
        workers: loader processes of a job.
        host: what tickets are drawn from, as "supernet/tiny" or "timm/resnet18".
        equal: "steps" or "macs": what makes two budgets equal.
        precision: "float32" or "bfloat16".
        compiled: whether networks run through torch.compile.
        tensorboard: whether jobs write their curves.
        device: "cpu", "cuda" or "cuda:N".
    """

    scale: Scale
    budget: float
    tasks: dict[str, Task]
    fingerprints: dict[str, dict[str, str]]
    home: Path
    threads: int
    workers: int
    device: str
    host: str
    equal: str = "steps"
    precision: str = "float32"
    compiled: bool = False
    tensorboard: bool = False


@dataclass(frozen=True)
class Work:
    """One job for a worker.

    Args:
        job: what to compute.
        id: name of its record.
        draw_id: name of the draw that it needs, which is also its ticket's.
        facts: what it shares with the run's other jobs.
        unless_finished: take over a record that has come since the run began, instead of computing the job again.
    """

    job: Job
    id: str
    draw_id: str | None
    facts: Facts
    unless_finished: bool = True
