"""The names of a run's records, remembered, since to find them imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.engines.local import Workers
from bench.jobs.identity import REGISTRIES
from bench.jobs.work import Facts
from bench.records.record import NAME
from bench.records.remembered import remembered
from bench.request.plan import Job


def named(jobs: Sequence[Job], facts: Facts, workers: Workers) -> dict[Job, str]:
    """The name of each job's record, as `bench.jobs.identity` has it.

    Where other packages register members, none are remembered, since their code may do anything.

    Args:
        jobs: draws before what needs them.
        facts: the run's.
        workers: one of which is asked for what is not remembered.
    """

    def asked() -> list[str]:
        found = workers.call("bench.jobs.identity:identify_all", list(jobs), facts)
        return [found[job] for job in jobs]

    def are_names(found: Any) -> bool:
        return isinstance(found, list) and len(found) == len(jobs) and all(map(_is_name, found))

    names = (
        remembered("names", {"jobs": repr(list(jobs)), **shared(facts)}, are_names, asked)
        if are_all_ours()
        else asked()
    )
    return dict(zip(jobs, names, strict=True))


def _is_name(found: Any) -> bool:
    return isinstance(found, str) and NAME.fullmatch(found) is not None


def are_all_ours() -> bool:
    """Whether no other package registers a member of any noun."""
    return all(len(registry.names()) == len(registry.builtin) for registry in REGISTRIES.values())


def shared(facts: Facts) -> dict[str, Any]:
    """What of facts results depend on beside code, as JSON data."""
    return {
        "setting": facts.setting.model_dump(mode="json"),
        "scale": facts.scale.model_dump(mode="json"),
        "versions": {name: task.info.version for name, task in facts.tasks.items()},
        "fingerprints": facts.fingerprints,
    }
