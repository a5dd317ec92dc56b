"""A record -> the work that left it: what computes the job again, or scores its ticket from the file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.jobs import kernels
from bench.jobs.work import Facts, Work
from bench.records import provenance
from bench.records.record import NAME, Record, Scores
from bench.request import scale as scales
from bench.request.plan import TICKET, Job
from bench.request.scale import Scale
from tasks import TASKS
from tasks.data.places import NOWHERE, Places
from tickets.drawers import DRAWERS
from tickets.errors import UserError
from tickets.recipes import RECIPES

if TYPE_CHECKING:
    from bench.jobs.display import Display
    from tasks.base import Task

SCORED_BY = ("config.heads", "config.options", "config.size", "versions.task", "fingerprints")
"""Keys of a record that a ticket's score from its file depends on."""
RUN_BY = ("config.batch_size", "config.interval", "config.settings", "versions", *SCORED_BY)
"""Keys that the whole job depends on, beside the job itself; what an older record lacks is not compared."""
MEASURED = ("test", "val", "classes", "amounts", "members")
"""Parts of a record's `scores` that a ticket's file gives."""


@dataclass
class Data:
    """The adapters that some records need, each located and prepared once.

    Args:
        places: where data lie; nowhere where the embedded ones are enough.
        display: told how far their preparation is; None for nobody.
    """

    places: Places = NOWHERE
    display: Display | None = None
    _prepared: dict[str, tuple[Task, dict[str, str]]] = field(default_factory=dict)

    def task(self, name: str, scale: Scale) -> tuple[Task, dict[str, str]]:
        """An adapter at a scale, and the fingerprints of its splits.

        Raises:
            UserError: the data are missing, or a file of theirs is wrong.
        """
        task = scale.plan(name).task(name, self.places.of(name))
        if (key := repr(task)) not in self._prepared:
            task.locate()
            report = partial(self.display.preparing, name) if self.display else None
            self._prepared[key] = task, task.prepare(os.cpu_count() or 1, report)
        return self._prepared[key]


def job_of(found: Record) -> Job:
    """The job of a record, as `bench.request.plan` makes them.

    Raises:
        UserError: a task, drawer or recipe is not known here; lists all of them.
    """
    asked, mistakes = found.job, []
    names = [(TASKS.resolve, asked.source), (TASKS.resolve, asked.target), (RECIPES.resolve, asked.recipe)]
    for resolve, name in [*names, (DRAWERS.resolve, asked.drawer)]:
        try:
            resolve(name) if name else None
        except UserError as error:
            mistakes.append(str(error))
    if mistakes:
        raise UserError(" ".join(mistakes))
    rest = ("source", "target", "drawer", "sparsity", "seed", "transform", "recipe", "head", "control")
    return Job(found.kind, *(getattr(asked, name) for name in rest))


def draw_of(found: Record) -> str | None:
    """The name of the draw whose ticket a job started from; None where there was none, or no name is told."""
    name = found.config.get("draw")
    return name if isinstance(name, str) and NAME.fullmatch(name) else None


def draws_of(found: Record) -> dict[str, str]:
    """The names of all draws whose tickets a job was given, by role, as far as the record tells."""
    own = draw_of(found)
    return {**({"base" if found.kind == "draw" else TICKET: own} if own else {}), **found.needs}


def work_of(found: Record, home: Path, data: Data, device: str | None = None) -> Work:
    """The work that leaves this record, by this version's scales; `unlike` tells whether it is still the same.

    Args:
        found: any record of a job that was run.
        home: where records and tickets go.
        data: gives the adapters.
        device: "cpu", "cuda" or "cuda:N"; default the record's kind.

    Raises:
        UserError: a name is not known here, the scale is not, the data are missing, or its kernels cannot be had.
    """
    job, setting = job_of(found), found.setting
    kernels.require(setting)
    scale = scales.load(setting.scale, setting.budget)
    prepared = {name: data.task(name, scale) for name in job.tasks}
    facts = Facts(
        setting=setting,
        scale=scale,
        tasks={name: task for name, (task, _) in prepared.items()},
        fingerprints={name: prints for name, (_, prints) in prepared.items()},
        home=home,
        device=device or setting.device,
    )
    return Work(job, found.id, facts, draws_of(found))


def unlike(found: Record, work: Work, keys: Sequence[str] = RUN_BY) -> list[str]:
    """In what this version would compute the job otherwise than the record says it was.

    Args:
        found: the record.
        work: what `work_of` makes of it here.
        keys: of the record, with dots for what lies deeper, that are compared.

    Returns:
        Parts of sentences, as in "versions.drawer is 1 in the record and 2 here"; empty where nothing differs.
    """
    from bench.jobs.telling import frame

    here, there = frame(work), found.model_dump(mode="json", by_alias=True)
    differing = [one for key in keys for one in _differing(_at(there, key), _at(here, key), key)]
    return list(dict.fromkeys(f"{key} is {old} in the record and {new} here" for key, old, new in differing))


def _at(data: Any, key: str) -> Any:
    """What stands under a key with dots; an empty dictionary where it or one on the way is absent."""
    for part in key.split("."):
        data = data.get(part, {}) if isinstance(data, dict) else {}
    return data


def _differing(there: Any, here: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, value there, value here) of what is in `there` and not the same in `here`."""
    if isinstance(there, dict):
        for key, value in there.items():
            known = here.get(key) if isinstance(here, dict) else None
            yield from _differing(value, known, f"{path}.{key}" if path else key)
    elif _plain(there) != _plain(here):
        yield path, _plain(there), _plain(here)


def _plain(value: Any) -> Any:
    """Tuples as the lists that JSON makes of them."""
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def verify_score(found: Record, ticket: Path, data: Data) -> None:
    """Score a draw's ticket from its file and compare every number with the record's, to the last digit.

    Args:
        found: the record of a draw that is ok.
        ticket: the ticket's path without the suffixes of its two files.
        data: gives the source.

    Raises:
        UserError: the file is damaged or another ticket's, this version or its data are not those of the record, or a
            score differs; one sentence without the record's name.
    """
    work = work_of(found, ticket.parent.parent, data)
    if wrong := unlike(found, work, SCORED_BY):
        raise UserError(f"it cannot be scored again here, since {'; '.join(wrong)}; do it at commit {found.commit}.")
    if differing := list(_differing(_measured(found.scored), scored(work, ticket))):
        where, old, new = differing[0]
        raise UserError(
            f"its ticket's file does not give its score: {where} is {old!r} in the record and {new!r} from "
            f"{ticket}{_elsewhere(found, work)}."
        )


def scored(work: Work, ticket: Path) -> dict[str, Any]:
    """What a draw's ticket scores on its source, computed from its file as the draw did: val, test, by class.

    Raises:
        UserError: the file is damaged, or its head is not this source's.
    """
    import torch

    from bench.command import flags
    from bench.jobs.scoring import make_feed, scores_of
    from tickets.hosts.native import force
    from tickets.ticket_set import load

    flags.device(work.facts.device)
    torch.set_flush_denormal(True)
    feed, setting = make_feed(work.job.trained_on, work.job.seed, work.facts), work.facts.setting
    with force.using(setting.kernels, setting.threads):
        return scores_of(feed, load(ticket).network(feed))


def _measured(scores: Scores) -> dict[str, Any]:
    told = scores.model_dump()
    return {part: told[part] for part in MEASURED}


def _elsewhere(found: Record, work: Work) -> str:
    """What may excuse a difference in last digits: another machine, another PyTorch."""
    from bench.jobs.telling import frame

    here, torch_here = frame(work)["device"], provenance.packages(("torch",)).get("torch")
    excuses = []
    if here != found.device:
        excuses.append(f"on {found.device}, and this is {here}")
    if torch_here != found.packages.get("torch"):
        excuses.append(f"with torch {found.packages.get('torch')}, and this is {torch_here}")
    return f"; it was measured {' and '.join(excuses)}: do it there" if excuses else ""
