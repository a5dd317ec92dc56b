"""What travels to a worker process: a job and the facts that it shares with the others; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.records.setting import Setting
from bench.request import kernels
from bench.request.plan import TICKET, Job
from bench.request.scale import Scale
from tasks.base import Task


@dataclass(frozen=True)
class Facts:
    """What all jobs of a run share; plain values only, so that it travels to worker processes.

    Args:
        setting: everything beside the job that decides a result.
        scale: that of the setting, its sizes and steps, the budget's factor included.
        tasks: the prepared adapters by name.
        fingerprints: of the data, by task and split.
        home: where records, tickets and checkpoints lie.
        device: that jobs run on, as PyTorch calls it: "cpu", "cuda", "cuda:N" or "mps".
        workers: loader processes of a job.
        tensorboard: whether jobs write their curves.
        keep: whether transfers and references leave their trained networks.
        grad_checkpointing: whether maps inside blocks are computed again in backward passes, for less memory.
    """

    setting: Setting
    scale: Scale
    tasks: dict[str, Task]
    fingerprints: dict[str, dict[str, str]]
    home: Path
    device: str = "cpu"
    workers: int = 0
    tensorboard: bool = False
    keep: bool = False
    grad_checkpointing: bool = False

    def of(self, job: Job) -> Facts:
        """Those of a run on the host that a job is computed on, which is another one for some draws."""
        return self if job.host is None else replace(self, setting=kernels.moved(self.setting, job.host))


@dataclass(frozen=True)
class Work:
    """One job for a worker.

    Args:
        job: what to compute.
        id: name of its record.
        draws: names of the draws that it needs, which are also their tickets', by role.
        facts: what it shares with the run's other jobs; held as they are on its own host.
        for_network: the record is there and stays, whatever happens; its trained network is what is wanted.
        retried: why this is not the first try, told in the record; "" for that.
        unless_finished: take over a record that has come since the run began, instead of computing the job again.
    """

    job: Job
    id: str
    facts: Facts
    draws: Mapping[str, str] = field(default_factory=dict)
    unless_finished: bool = True
    for_network: bool = False
    retried: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", self.facts.of(self.job))

    def again(self, why: str) -> Work:
        """The same for another try; `why` is a sentence about the last one, which the record tells."""
        return self if why in self.retried else replace(self, retried=f"{self.retried} {why}".strip())


@dataclass(frozen=True)
class Elsewhere:
    """What a call says whose job another run of the home is at.

    Args:
        lock: the file that says so.
        owner: the process that is at it, as part of a sentence.
    """

    lock: Path
    owner: str


@dataclass(frozen=True)
class Undone:
    """What a job says that leaves no record yet, and is to be done again.

    Args:
        why: part of a sentence.
        draw: the name of the draw that must be drawn again first, since its ticket is damaged; "" where the job is to
            be done once more while no other is running.
    """

    why: str
    draw: str = ""


def own_draw(draws: Mapping[str, str]) -> str | None:
    """The draw that stands for the ticket which a job starts from: its own, or that of a draw's base."""
    return draws.get(TICKET, draws.get("base"))


def beside(draws: Mapping[str, str]) -> dict[str, str]:
    """The other draws, by role."""
    return {role: draw for role, draw in draws.items() if role not in (TICKET, "base")}
