"""The names of a run's records, remembered: to find them imports torch, which takes longer than all else that a run
of finished jobs does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.jobs.identity import REGISTRIES
from bench.jobs.work import Facts
from bench.jobs.workers import Workers
from bench.records import members, provenance
from bench.records.record import NAME, canonical
from bench.request.plan import Job
from tasks.base import default_cache
from tickets import atomic
from tickets.errors import CannotWriteError

KEPT = 16
"""Runs whose names are remembered, the newest."""
OURS = ("bench", "tasks", "tickets")


def named(jobs: Sequence[Job], facts: Facts, workers: Workers) -> dict[Job, str]:
    """The name of each job's record, as `bench.jobs.identity` has it.

    Remembered are those of the same jobs under the same facts, code and installed versions; where other packages
    register members, none are, since their code may do anything.

    Args:
        jobs: draws before what needs them.
        facts: the run's.
        workers: one of which is asked for what is not remembered.
    """
    if not _are_all_ours():
        return _asked(jobs, facts, workers)
    path = default_cache() / "names" / f"{_digest(jobs, facts)}.json"
    if known := _remembered(path, len(jobs)):
        return dict(zip(jobs, known, strict=True))
    found = _asked(jobs, facts, workers)
    with suppress(CannotWriteError):  # it is found again next time
        atomic.write(path, json.dumps([found[job] for job in jobs]).encode())
        _forget_oldest(path.parent)
    return found


def _asked(jobs: Sequence[Job], facts: Facts, workers: Workers) -> dict[Job, str]:
    found: dict[Job, str] = workers.call("bench.jobs.identity:identify_all", list(jobs), facts)
    return found


def _are_all_ours() -> bool:
    """Whether no other package registers a member of any noun."""
    return all(len(registry.names()) == len(registry.builtin) for registry in REGISTRIES.values())


def _digest(jobs: Sequence[Job], facts: Facts) -> str:
    """16 hex digits that change with whatever names depend on."""
    told = {
        "setting": facts.setting.model_dump(mode="json"),
        "scale": facts.scale.model_dump(mode="json"),
        "versions": {name: task.info.version for name, task in facts.tasks.items()},
        "fingerprints": facts.fingerprints,
        "code": {package: members.digest(members.sources(package)) for package in OURS},
        "packages": provenance.packages(),
    }
    return hashlib.blake2b((canonical(told) + repr(list(jobs))).encode(), digest_size=8).hexdigest()


def _remembered(path: Path, count: int) -> list[str] | None:
    """So many names; None where there are none, or a file that holds something else."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(found, list) and len(found) == count
    return found if whole and all(isinstance(name, str) and NAME.fullmatch(name) for name in found) else None


def _forget_oldest(folder: Path) -> None:
    with suppress(OSError):  # another run was faster
        for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
            path.unlink()
