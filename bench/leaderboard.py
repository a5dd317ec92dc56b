"""Records -> boards of rows: aggregated over seeds, compared with their references, ordered. Pure.

A *board* holds what may be compared: one target (one source, for draws), its data, one host, one budget.
A *row* is all records of one board that differ in nothing but the seed. Only complete rows have a mean.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low

from bench import stats
from bench.record import Record, canonical
from bench.stats import Estimate

UNEQUAL = 0.1
"""Budgets (total training MACs) that differ by more than this fraction from their peers' are marked."""


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
    def is_contender(self) -> bool:
        """Whether the row is ranked: a drawn ticket on another task, neither a reference nor a control."""
        references = self.drawer == "dense" or self.transform or self.control or self.is_native
        return self.source is not None and self.target is not None and not references

    @property
    def name(self) -> tuple[str, ...]:
        """What orders rows of equal score."""
        parts = (self.ticket, self.source, self.recipe, self.head, f"{self.sparsity:.9f}", self.control)
        rest = (self.drawer_version, self.recipe_version, self.source_data, self.origin)
        return tuple("" if part is None else str(part) for part in (*parts, *rest))


@dataclass(frozen=True)
class Row:
    """One line of a board; a number that is not there is None.

    Args:
        seeds: seeds with a score, ascending.
        missing: why the row is incomplete, or None; an incomplete row has no mean and no rank.
        score: test split's primary metric over the seeds.
        before: validation score before the last pruning (draws).
        after: validation score after it (draws).
        rank: place among the contenders of the same sparsity, from 1.
        is_decided: whether the seeds tell this row from the one ranked above it.
        of_dense: score / score of the dense supernet trained on the same source and finetuned.
        of_scratch: score / score of the dense supernet trained on the target alone.
        gap: score - native score, paired by seed.
        remaining: kept host weights / host weights of the full supernet.
        parameters: kept host weights.
        sparse_macs: of the host, exact by layer, one input.
        deployed_parameters: host and head as used on the target.
        deployed_macs: its multiply-accumulates, exact by layer, one input.
        drawing_macs: training MACs of the draws that the job used.
        training_macs: training MACs of the job itself.
        budget_ratio: (drawing + training MACs) / that of the board's contenders, where it is unequal.
        wall_s: seconds of the job itself.
        edition: versions or source data, where another row of the board differs in nothing else; else "".
    """

    key: Key
    seeds: tuple[int, ...]
    missing: str | None = None
    score: Estimate | None = None
    before: Estimate | None = None
    after: Estimate | None = None
    rank: int | None = None
    is_decided: bool | None = None
    of_dense: float | None = None
    of_scratch: float | None = None
    gap: Estimate | None = None
    remaining: float | None = None
    parameters: float | None = None
    sparse_macs: float | None = None
    deployed_parameters: float | None = None
    deployed_macs: float | None = None
    drawing_macs: float | None = None
    training_macs: float | None = None
    budget_ratio: float | None = None
    wall_s: float | None = None
    edition: str = ""


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

    @classmethod
    def of(cls, record: Record, data: str = "") -> Place:
        """Where a record belongs, its data left to the caller."""
        kind, job = "draw" if record.kind == "draw" else "transfer", record.job
        return cls(kind, record.task, job.scale, job.host, job.budget, job.equal, data)


@dataclass(frozen=True)
class Board:
    """Rows that may be compared.

    Args:
        metric: name of the primary metric; "" when nothing was scored.
        split: official name of the test split; "" when nothing was scored.
        rows: the complete ones, best first.
        incomplete: the others, by name.
        superseded: number of older records of the same job and seed that were left out.
    """

    place: Place
    metric: str
    split: str
    rows: tuple[Row, ...]
    incomplete: tuple[Row, ...]
    superseded: int = 0


def boards(records: Iterable[Record]) -> tuple[Board, ...]:
    """All boards of some records: transfers by target, then draws by source.

    The order of the records does not matter.
    """
    found = placed(records)
    order = sorted(found, key=lambda place: (place.kind == "draw", place))
    return tuple(_board(place, found[place]) for place in order)


def placed(records: Iterable[Record]) -> dict[Place, list[Record]]:
    """Some records by the board that they belong to, the oldest first."""
    found: dict[Place, list[Record]] = defaultdict(list)
    records = sorted(records, key=lambda record: (record.created, record.id))
    for record in records:
        found[_place(record, records)].append(record)
    return found


def data_digest(record: Record, task: str | None) -> str | None:
    """Eight hex digits of a task's version and fingerprints as the record tells them, or None."""
    if task is None or task not in record.versions.task or not record.fingerprints.get(task):
        return None
    told = canonical([record.versions.task[task], record.fingerprints[task]])
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def _place(record: Record, records: Sequence[Record]) -> Place:
    """The record's board; one that failed before its data were known goes to the newest board of its task."""
    place, data = Place.of(record), data_digest(record, record.task)
    for peer in reversed(records) if data is None else ():
        data = data or (data_digest(peer, peer.task) if Place.of(peer) == place else None)
    return replace(place, data=data or "")


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


def _same_job(left: Key, right: Key) -> bool:
    """Equal but for the edition, which a job that failed early may not have learnt."""
    blank = dict.fromkeys(EDITION)
    return replace(left, **blank) == replace(right, **blank)


def _edition(key: Key, others: Iterable[Key]) -> str:
    """In what a key differs from those of the same job, as in "drawer version 2"; "" when there is none."""
    rivals = [other for other in others if _same_job(key, other)]
    differing = [name for name in EDITION if len({getattr(rival, name) for rival in rivals}) > 1]
    return ", ".join(f"{name.replace('_', ' ')} {getattr(key, name)}" for name in differing)


def grouped(records: Sequence[Record]) -> tuple[dict[Key, dict[int, Record]], int]:
    """Records (oldest first) by key and seed, the newest of each; and how many that left out."""
    groups: dict[Key, dict[int, Record]] = {}
    scored = [record for record in records if record.status == "ok"]
    failed = [record for record in records if record.status == "failed"]
    superseded = 0
    for record in (*scored, *failed):
        key = _key(record)
        if key.source is not None and key.source_data is None:
            key = next((other for other in reversed(groups) if _same_job(key, other)), key)
        seeds = groups.setdefault(key, {})
        older = seeds.get(record.job.seed)
        superseded += older is not None
        if older is None or older.created <= record.created:
            seeds[record.job.seed] = record
    return groups, superseded


def _board(place: Place, records: Sequence[Record]) -> Board:
    groups, superseded = grouped(records)
    required = _required(groups.values())
    rows, scores = [], {}
    for key, by_seed in groups.items():
        row = replace(_row(key, by_seed, required), edition=_edition(key, groups))
        rows.append(row)
        if row.missing is None:
            scores[key] = {seed: record.scores.score for seed, record in by_seed.items()}
    complete = [_compared(row, scores) for row in rows if row.missing is None]
    scored = [record for record in records if record.scores]
    return Board(
        place=place,
        metric=scored[-1].scores.primary if scored else "",
        split=scored[-1].test_split if scored else "",
        rows=tuple(_ranked(_marked(sorted(complete, key=_order)), scores)),
        incomplete=tuple(sorted((row for row in rows if row.missing), key=lambda row: row.key.name)),
        superseded=superseded,
    )


def _order(row: Row) -> tuple[float, tuple[str, ...]]:
    return (-row.score.mean, row.key.name)


def _required(groups: Iterable[Mapping[int, Record]]) -> tuple[int, ...]:
    """The seeds of the most complete row; of equally long ones the first in order."""
    scored = (tuple(sorted(s for s, r in seeds.items() if r.status == "ok")) for seeds in groups)
    return min(scored, key=lambda seeds: (-len(seeds), seeds))


def _row(key: Key, by_seed: Mapping[int, Record], required: tuple[int, ...]) -> Row:
    """A row without its comparisons; one that is incomplete has only its seeds and the reason."""
    ok = {seed: record for seed, record in sorted(by_seed.items()) if record.status == "ok"}
    missing = _missing(by_seed, tuple(ok), required)
    if missing:
        return Row(key=key, seeds=tuple(ok), missing=missing)
    records = list(ok.values())

    def average(read: Callable[[Record], float | None]) -> float | None:
        values = [read(record) for record in records]
        if None in values:
            return None
        return values[0] if len(set(values)) == 1 else stats.mean(values)

    def over_seeds(read: Callable[[Record], float | None]) -> Estimate | None:
        values = [read(record) for record in records]
        return None if None in values else stats.estimate(values)

    return Row(
        key=key,
        seeds=tuple(ok),
        score=over_seeds(lambda r: r.scores.score),
        before=over_seeds(lambda r: r.scores.val_before_last_prune),
        after=over_seeds(lambda r: r.scores.val_after_last_prune),
        remaining=average(lambda r: r.ticket and r.ticket.remaining),
        parameters=average(lambda r: r.ticket and r.ticket.parameters),
        sparse_macs=average(lambda r: r.ticket and r.ticket.sparse_macs),
        deployed_parameters=average(lambda r: r.deployed and r.deployed.parameters),
        deployed_macs=average(lambda r: r.deployed and r.deployed.sparse_macs),
        drawing_macs=average(lambda r: r.costs and r.costs.drawing_macs),
        training_macs=average(lambda r: r.costs and r.costs.training_macs),
        wall_s=average(lambda r: r.costs and r.costs.wall_s),
    )


def _missing(by_seed: Mapping[int, Record], ok: tuple[int, ...], required: tuple[int, ...]) -> str | None:
    """Why a row is incomplete, or None."""
    reasons = [
        f"seed {seed} failed: {record.error.strip().partition(chr(10))[0]}"
        for seed, record in sorted(by_seed.items())
        if record.status == "failed"
    ]
    absent = [str(seed) for seed in required if seed not in by_seed]
    if len(ok) < len(required) and absent:
        reasons.insert(0, f"no record of seed{'s' if len(absent) > 1 else ''} {', '.join(absent)}")
    return "; ".join(reasons) or None


def _compared(row: Row, scores: Mapping[Key, Mapping[int, float]]) -> Row:
    """The row with its shares of the dense references and its transfer gap."""
    key, own = row.key, scores[row.key]

    def reference(is_it: Callable[[Key], bool]) -> Mapping[int, float]:
        """The scores of the reference of the same origin, else of any."""
        found = [other for other in scores if is_it(other)]
        best = min(found, key=lambda other: (other.origin != key.origin, other.name), default=None)
        return scores.get(best, {})

    def is_dense(other: Key) -> bool:
        same = (other.source, other.source_data, other.head) == (key.source, key.source_data, key.head)
        return same and other.drawer == "dense" and other.recipe == "finetune" and other.transform is None

    def is_scratch(other: Key) -> bool:
        return other.drawer == "dense" and other.source is None and other.recipe == "scratch"

    def is_native(other: Key) -> bool:
        names = ("drawer", "drawer_version", "sparsity", "recipe", "recipe_version", "head")
        same = all(getattr(other, name) == getattr(key, name) for name in names)
        return same and other.is_native and other.transform is None

    if key.target is None:
        return row
    row = replace(row, of_scratch=stats.ratio(own, reference(is_scratch)))
    if key.source is None:
        return row
    row = replace(row, of_dense=stats.ratio(own, reference(is_dense)))
    return row if is_native(key) else replace(row, gap=stats.paired(own, reference(is_native)))


def _marked(rows: list[Row]) -> list[Row]:
    """The rows with the ratio of their budget to the contenders' (else everybody's) where it is unequal."""
    totals = {row.key: _total_macs(row) for row in rows}
    peers = [totals[row.key] for row in rows if row.key.is_contender] or list(totals.values())
    peers = [total for total in peers if total]
    if not peers:
        return rows
    usual = median_low(peers)
    ratios = {key: total / usual for key, total in totals.items() if total is not None}
    unequal = {key: ratio for key, ratio in ratios.items() if abs(ratio - 1) > UNEQUAL}
    return [replace(row, budget_ratio=unequal.get(row.key)) for row in rows]


def _total_macs(row: Row) -> float | None:
    if row.training_macs is None:
        return None
    return row.training_macs + (row.drawing_macs or 0)


def _ranked(rows: list[Row], scores: Mapping[Key, Mapping[int, float]]) -> list[Row]:
    """The rows (best first) with the contenders' ranks, counted apart at each sparsity."""
    above: dict[float, tuple[int, Key]] = {}
    ranked = []
    for row in rows:
        if row.key.is_contender:
            rank, better = above.get(row.key.sparsity, (0, None))
            difference = stats.paired(scores[better], scores[row.key]) if better else None
            is_decided = None if better is None else difference is not None and difference.is_decided
            row = replace(row, rank=rank + 1, is_decided=is_decided)
            above[row.key.sparsity] = (rank + 1, row.key)
        ranked.append(row)
    return ranked
