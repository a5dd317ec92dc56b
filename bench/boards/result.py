"""What the tables need of a record, and what records have in common: where they belong and what they are about. Pure.

A result is a tenth of its record in memory, so that a hundred thousand of them are no matter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

from bench.records.provenance import is_ahead
from bench.records.record import Record, canonical
from bench.request import redraw

T = TypeVar("T")

EDITION = ("drawer_version", "recipe_version", "source_data", "code")
"""Fields of a key that change when a method or a data set does, not when another job is asked for."""

TASK = "task"
"""The noun of members whose code belongs to their data."""


@dataclass(frozen=True)
class Key:
    """What the records of a row share.

    Args:
        source: task that the ticket was drawn on; None for dense training on the target alone.
        target: task that it is scored on; None for a draw.
        transform: what was done to the ticket before its transfer; a control only where `control` names it.
        control: "dense", the name of the transform that is a control, or None; a native control is the same job as a
            transfer to its own source, so it is None here.
        source_data: digest of the source's version and fingerprints; None where the record does not tell.
        origin: "measured", "submitted" or "reported".
        host_drawn: host that the ticket was drawn from where it is not the board's.
        code: digest of the code that is not ours, tasks' apart; None where all is.
    """

    source: str | None
    target: str | None
    drawer: str
    transform: str | None
    recipe: str | None
    head: str | None
    sparsity: float
    scale: str
    budget: float
    control: str | None
    drawer_version: int | None
    recipe_version: int | None
    source_data: str | None
    origin: str
    host_drawn: str | None = None
    code: str | None = None

    @property
    def ticket(self) -> str:
        """How the ticket is called in tables, as in "random of omp", "elastic of omp on supernet/tiny2"."""
        name = f"{self.transform} of {self.drawer}" if self.transform else self.drawer
        return f"{name} on {self.host_drawn}" if self.host_drawn else name

    @property
    def method(self) -> str:
        """What the row, or the ticket that it is a control of, shows of a method: as in "omp" for "random of omp"."""
        return replace(self, transform=None).ticket if self.is_spoilt else self.ticket

    @property
    def is_spoilt(self) -> bool:
        """Whether it is a control that a transform makes of a ticket by spoiling it; other transforms make tickets."""
        return self.control not in (None, "dense")

    @property
    def is_native(self) -> bool:
        """Whether the ticket was drawn on the target itself."""
        return self.source is not None and self.source == self.target

    @property
    def role(self) -> str:
        """ "draw", "dense" or "random" (any transform that is a control), "native", or "ticket" for a contender."""
        if self.target is None:
            return "draw"
        if self.is_spoilt:
            return "random"
        if self.drawer == "dense" or self.control or self.source is None:
            return "dense"
        return "native" if self.is_native else "ticket"

    @property
    def is_contender(self) -> bool:
        """Whether the row is ranked: a drawn ticket on another task, neither a reference nor a control."""
        return self.role == "ticket"

    @property
    def name(self) -> tuple[str, ...]:
        """What orders rows of equal score."""
        parts = (self.ticket, self.source, self.recipe, self.head, f"{self.sparsity:.9f}", self.control)
        rest = (self.drawer_version, self.recipe_version, self.source_data, self.origin, self.code)
        return tuple("" if part is None else str(part) for part in (*parts, *rest))


@dataclass(frozen=True, order=True)
class Place:
    """What makes rows comparable.

    Args:
        kind: "transfer" (controls too) or "draw".
        task: the target, or for draws the source.
        host: what tickets are drawn from, as "supernet/tiny".
        equal: what budgets count, "steps", "macs" or "sparse" MACs.
        data: digest of the task's version and fingerprints; "" when no record tells.
        compute: how scores were computed, as `Setting.compute`: "" for float32 on one CPU thread.
    """

    kind: str
    task: str
    scale: str
    host: str
    budget: float
    equal: str
    data: str
    compute: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One record, as far as tables go; a number that the record lacks is None.

    Args:
        id: the record's file name without .json.
        place: where it belongs; its data are "" where the record does not tell.
        error: first line of why it failed; None when it did not.
        score: primary metric on the test split.
        ticket: hash of the ticket's content.
        redraw: command that draws the ticket again.
        members: of a set, the score of each member by itself; else empty.
        commit: of the repository, its first ten digits; None where nothing tells.
        device: the processor that it ran on, in words.
        counts: samples by the name of the split.
        other numbers: as those of the same name in `leaderboard.Row`, of this one seed.
    """

    id: str
    created: str
    place: Place
    key: Key
    seed: int
    error: str | None
    metric: str
    split: str
    score: float | None
    before: float | None
    after: float | None
    remaining: float | None
    parameters: int | None
    sparse_macs: int | None
    deployed_parameters: int | None
    deployed_macs: int | None
    drawing_macs: int | None
    training_macs: int | None
    stated_macs: int | None
    wall_s: float | None
    ticket: str | None
    redraw: str | None
    members: tuple[float, ...] = ()
    commit: str | None = None
    device: str = ""
    counts: tuple[tuple[str, int], ...] = ()

    @property
    def when(self) -> str:
        """When it was written, to tell the newest from older ones; one that is yet to come is older than all."""
        return "" if is_ahead(self.created) else self.created

    @classmethod
    def of(cls, record: Record) -> Result:
        """What a record says."""
        scores, ticket, deployed, costs = record.scores, record.ticket, record.deployed, record.costs
        return cls(
            id=record.id,
            created=record.created,
            place=_place(record),
            key=_key(record),
            seed=record.job.seed,
            error=None if record.error is None else record.error.strip().partition("\n")[0],
            metric=scores.primary if scores else "",
            split=record.test_split,
            score=scores.score if scores else None,
            before=scores.val_before_last_prune if scores else None,
            after=scores.val_after_last_prune if scores else None,
            remaining=ticket.remaining if ticket else None,
            parameters=ticket.parameters if ticket else None,
            sparse_macs=ticket.sparse_macs if ticket else None,
            deployed_parameters=deployed.parameters if deployed else None,
            deployed_macs=deployed.sparse_macs if deployed else None,
            drawing_macs=costs.drawing_macs if costs else None,
            training_macs=costs.training_macs if costs else None,
            stated_macs=costs.stated_macs if costs else 0,
            wall_s=costs.wall_s if costs else None,
            ticket=ticket.hash if ticket else None,
            redraw=redraw.of(record),
            members=tuple(one[scores.primary] for one in scores.members if scores.primary in one) if scores else (),
            commit=record.commit and _once(record.commit[:10]),
            device=_once(record.device),
            counts=_once(tuple(record.counts.items())),
        )


@lru_cache
def _once(value: T) -> T:
    """The same object for equal values, so that what many records share is kept once."""
    return value


def data_digest(record: Record, task: str | None) -> str | None:
    """Eight hex digits of a task's version, fingerprints and foreign code as the record tells them, or None."""
    if task is None or task not in record.versions.task or not record.fingerprints.get(task):
        return None
    sources = tuple([code.source for code in record.code if (code.noun, code.name) == (TASK, task)])
    return _digest(record.versions.task[task], tuple(sorted(record.fingerprints[task].items())), sources)


@lru_cache
def _digest(version: int, fingerprints: tuple[tuple[str, str], ...], sources: tuple[str, ...]) -> str:
    return _short([version, dict(fingerprints), *sources])


def _short(data: Any) -> str:
    return hashlib.sha256(canonical(data).encode()).hexdigest()[:8]


def code_digest(record: Record) -> str | None:
    """Eight hex digits of what the code of the job's foreign members is, or None; a task's belongs to its data."""
    told = sorted([code.noun, code.name, code.source] for code in record.code if code.noun != TASK)
    return _short(told) if told else None


def _place(record: Record) -> Place:
    setting, task = record.setting, record.task
    return Place(
        kind="draw" if record.kind == "draw" else "transfer",
        task=task,
        scale=setting.scale,
        host=setting.host,
        budget=setting.budget,
        equal=setting.equal,
        data=data_digest(record, task) or "",
        compute=setting.compute,
    )


def _key(record: Record) -> Key:
    job = record.job
    return Key(
        source=job.source,
        target=None if record.kind == "draw" else job.target,
        drawer=job.drawer,
        transform=job.transform,
        recipe=job.recipe,
        head=job.head,
        sparsity=job.sparsity,
        scale=record.setting.scale,
        budget=record.setting.budget,
        control=None if job.control == "native" else job.control,
        drawer_version=record.versions.drawer,
        recipe_version=record.versions.recipe,
        source_data=data_digest(record, job.source),
        origin=record.origin,
        host_drawn=job.host_drawn,
        code=code_digest(record),
    )
