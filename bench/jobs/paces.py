"""How fast tasks go on this machine: a few timed steps of each in worker processes, remembered in the cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from bench.engines.contract import Message
from bench.engines.local import Workers
from bench.jobs.names import are_all_ours, shared
from bench.jobs.work import Facts
from bench.records import provenance
from bench.records.remembered import remembered
from tickets.errors import UserError

if TYPE_CHECKING:
    from bench.jobs.display import Display


@dataclass(frozen=True)
class Pace:
    """How fast a task goes.

    Args:
        start_s: of a job until its first step, once its process has imported what it needs: data, network.
        step_s: a training step of the full network with masks to keep.
        sample_s: scoring a sample of val or test.
        macs: forward MACs of one image through the full network.
        peak_mib: memory of the process, or of what it has on a GPU.
    """

    start_s: float
    step_s: float
    sample_s: float
    macs: int
    peak_mib: float


def paces(
    tasks: Sequence[str], facts: Facts, workers: Workers, display: Display, anew: bool = False
) -> dict[str, Pace]:
    """The pace of each task, of as many at once as jobs will run at once.

    Remembered by all that decides it and asked for again, it is not measured; where other packages register members,
    whose code may do anything, it always is.

    Args:
        tasks: names of prepared tasks.
        facts: the run's.
        workers: that measure.
        display: told how far they are, or that nothing is measured.
        anew: measure what is remembered, too.

    Raises:
        UserError: a measuring process died; there may be too little memory.
    """
    measured: list[str] = []

    def measure() -> dict[str, dict[str, float]]:
        measured.extend(tasks)
        return {task: asdict(pace) for task, pace in _measured(tasks, facts, workers, display).items()}

    def are_paces(answer: Any) -> bool:
        return (
            not anew
            and isinstance(answer, dict)
            and list(answer) == list(tasks)
            and all(map(_is_pace, answer.values()))
        )

    told = _decisive(tasks, facts, workers.count)
    found = remembered("paces", told, are_paces, measure) if are_all_ours() else measure()
    if tasks and not measured:
        display.say("the paces of these tasks were measured before on this machine; --force measures them anew.")
    return {task: Pace(**values) for task, values in found.items()}


def _decisive(tasks: Sequence[str], facts: Facts, at_once: int) -> dict[str, Any]:
    """What paces depend on beside code and installed versions."""
    machine = {"machine": provenance.machine(), "cores": os.cpu_count(), "device": facts.device}
    how = {"tasks": list(tasks), "at_once": at_once, "loaders": facts.workers}
    how |= {"grad_checkpointing": True} if facts.grad_checkpointing else {}
    return shared(facts) | machine | how


def _is_pace(values: Any) -> bool:
    return isinstance(values, dict) and values.keys() == {field.name for field in fields(Pace)}


def _measured(tasks: Sequence[str], facts: Facts, workers: Workers, display: Display) -> dict[str, Pace]:
    company = tasks[: 1 if len(tasks) % workers.count else 0]  # of the last one
    queue = list(enumerate([*tasks, *company]))
    done = dict.fromkeys(queue, 0.0)
    found: dict[str, Pace] = {}
    display.say(f"timing a few steps of {', '.join(tasks)}")
    while queue or workers.is_busy:
        while queue and workers.free:
            number, task = queue.pop(0)
            workers.start((number, task), "bench.jobs.probe:pace", task, facts)
        for message in workers.messages():
            _, task = message.key
            _look(message)
            done[message.key] = 1.0 if message.kind == "result" else message.value
            if message.kind == "result":
                found.setdefault(task, message.value)
            display.timing(task, sum(done.values()), len(done))
    return {task: found[task] for task in tasks}


def _look(message: Message) -> None:
    """See that a measuring process is well."""
    if message.kind == "died":
        raise UserError(
            f"a few steps on {message.key[1]} were not done: {message.value.why}; give --jobs 1, or smaller batches by "
            "--set batch_size."
        )
    if message.kind == "refused":
        raise UserError(message.value)
