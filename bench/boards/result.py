"""What the tables need of a record, and what records have in common: where they belong and what they are about. Pure.

A result is a tenth of its record in memory, so that a hundred thousand of them are no matter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from bench.record import Record, canonical

EDITION = ("drawer_version", "recipe_version", "source_data")
"""Fields of a key that change when a method or a data set does, not when another job is asked for."""


@dataclass(frozen=True)
class Key:
    """What the records of a row share.

    Args:
        source: task that the ticket was drawn on; None for dense training on the target alone.
        target: task that it is scored on; None for a draw.
        control: "dense", "random" or None; a native control is the same job as a transfer to its own source,
            so it is None here.
        source_data: digest of the source's version and fingerprints; None where the record does not tell.
        origin: "measured", "submitted" or "reported".
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

    @property
    def ticket(self) -> str:
        """How the ticket is called in tables, as in "random of omp"."""
        return f"{self.transform} of {self.drawer}" if self.transform else self.drawer

    @property
    def is_native(self) -> bool:
        """Whether the ticket was drawn on the target itself."""
        return self.source is not None and self.source == self.target

    @property
    def role(self) -> str:
        """ "draw", "dense" or "random" for the references and controls, "native", or "ticket" for a contender."""
        if self.target is None:
            return "draw"
        if self.transform or self.control == "random":
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
        rest = (self.drawer_version, self.recipe_version, self.source_data, self.origin)
        return tuple("" if part is None else str(part) for part in (*parts, *rest))


@dataclass(frozen=True, order=True)
class Place:
    """What makes rows comparable.

    Args:
        kind: "transfer" (controls too) or "draw".
        task: the target, or for draws the source.
        host: what tickets are drawn from, as "supernet/tiny".
        equal: what budgets count, "steps" or "macs".
        data: digest of the task's version and fingerprints; "" when no record tells.
    """

    kind: str
    task: str
    scale: str
    host: str
    budget: float
    equal: str
    data: str


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
    wall_s: float | None
    ticket: str | None
    redraw: str | None

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
            score=scores and scores.score,
            before=scores and scores.val_before_last_prune,
            after=scores and scores.val_after_last_prune,
            remaining=ticket and ticket.remaining,
            parameters=ticket and ticket.parameters,
            sparse_macs=ticket and ticket.sparse_macs,
            deployed_parameters=deployed and deployed.parameters,
            deployed_macs=deployed and deployed.sparse_macs,
            drawing_macs=costs and costs.drawing_macs,
            training_macs=costs and costs.training_macs,
            wall_s=costs and costs.wall_s,
            ticket=ticket and ticket.hash,
            redraw=record.redraw,
        )


def data_digest(record: Record, task: str | None) -> str | None:
    """Eight hex digits of a task's version and fingerprints as the record tells them, or None."""
    if task is None or task not in record.versions.task or not record.fingerprints.get(task):
        return None
    return _digest(record.versions.task[task], tuple(sorted(record.fingerprints[task].items())))


@lru_cache
def _digest(version: int, fingerprints: tuple[tuple[str, str], ...]) -> str:
    return hashlib.sha256(canonical([version, dict(fingerprints)]).encode()).hexdigest()[:8]


def _place(record: Record) -> Place:
    kind, job, task = "draw" if record.kind == "draw" else "transfer", record.job, record.task
    return Place(kind, task, job.scale, job.host, job.budget, job.equal, data_digest(record, task) or "")


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
        scale=job.scale,
        budget=job.budget,
        control=None if job.control == "native" else job.control,
        drawer_version=record.versions.drawer,
        recipe_version=record.versions.recipe,
        source_data=data_digest(record, job.source),
        origin=record.origin,
    )
