"""Records -> boards of rows: aggregated over seeds, compared with their references, ordered. Pure.

A *board* holds what may be compared: one target (one source, for draws), its data, one host, one budget,
one way of computing.
A *row* is all records of one board that differ in nothing but the seed. Only complete rows have a mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from statistics import median_low
from typing import Any

from bench.boards import pareto
from bench.boards.result import EDITION, Key, Place, Result
from bench.numbers import stats
from bench.numbers.stats import Estimate
from bench.records.record import Record

UNEQUAL = 0.1
"""Budgets (total training MACs) that differ by more than this fraction from their peers' are marked."""


Method = tuple[str, int | None, float, str | None, int | None, str | None]
"""What `method` makes of a key."""

Fields = dict[str, Any]
"""Some fields of a row by name: what one comparison finds out."""


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
        drawing_macs: training MACs of the draws that the job used; None where nobody knows.
        training_macs: training MACs of the job itself.
        stated_macs: of `drawing_macs` what the owner of a network that was drawn elsewhere states; None where nobody
            does, which leaves the row without a rank.
        budget_ratio: (drawing + training MACs) / that of the board's contenders, where it is unequal.
        wall_s: seconds of the job itself.
        pareto_macs: whether no ticket of the board has a higher score at as few or fewer `sparse_macs`, or as high
            a one at fewer; None for what is neither a contender nor native.
        pareto_remaining: the same by `remaining`.
        faster: seconds of the dense host over those of the ticket's, where all its tickets were measured; else None.
        file_share: the ticket's file over the dense host's, likewise.
        edition: versions or source data, where another row of the board differs in nothing else; else "".
        group: number of the ticket and its controls on the board, from 1; 0 for an incomplete row.
        is_control: whether the row stands below the ticket that it is a control of.
        results: what the row was made from, by seed; failed ones included.
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
    stated_macs: float | None = 0
    budget_ratio: float | None = None
    wall_s: float | None = None
    pareto_macs: bool | None = None
    pareto_remaining: bool | None = None
    faster: float | None = None
    file_share: float | None = None
    edition: str = ""
    group: int = 0
    is_control: bool = False
    results: tuple[Result, ...] = field(default=(), repr=False)

    @property
    def mean(self) -> float:
        """Mean score of a complete row."""
        return self._complete.mean

    @property
    def half(self) -> float | None:
        """Half the width of a complete row's interval; None for one seed."""
        return self._complete.half

    @property
    def _complete(self) -> Estimate:
        if self.score is None:
            raise ValueError(f"the row {self.key.name} has no score: {self.missing}")
        return self.score

    @property
    def by_seed(self) -> dict[int, float]:
        """Its scores by seed."""
        return {one.seed: one.score for one in self.results if one.score is not None}

    @property
    def total_macs(self) -> float | None:
        """Training MACs, drawing included; None where either is not known."""
        if self.training_macs is None or self.stated_macs is None:
            return None
        return self.training_macs + (self.drawing_macs or 0)


@dataclass(frozen=True)
class Board:
    """Rows that may be compared.

    Args:
        metric: name of the primary metric; "" when nothing was scored.
        split: official name of the test split; "" when nothing was scored.
        rows: the complete ones, best first, each ticket followed by its controls.
        incomplete: the others, by name.
        superseded: number of older records of the same job and seed that were left out.
        measured: by what the speeds of its rows were measured; "" where none were.
    """

    place: Place
    metric: str
    split: str
    rows: tuple[Row, ...]
    incomplete: tuple[Row, ...]
    superseded: int = 0
    measured: str = ""


def boards(records: Iterable[Record]) -> tuple[Board, ...]:
    """All boards of some records: transfers by target, then draws by source.

    The order of the records does not matter; they are read once, and not kept.
    """
    found = placed(records)
    order = sorted(found, key=lambda place: (place.kind == "draw", place))
    return tuple(_board(place, found[place]) for place in order)


def placed(records: Iterable[Record]) -> dict[Place, list[Result]]:
    """What some records say by the board that they belong to, the oldest first.

    One that failed before its data were known goes to the newest board of its task.
    """
    found: dict[Place, list[Result]] = defaultdict(list)
    for result in sorted(map(Result.of, records), key=_age):
        found[result.place].append(result)
    told = sorted((place for place in found if place.data), key=lambda place: _age(found[place][-1]))
    newest = {replace(place, data=""): place for place in told}
    for place in [place for place in found if place in newest]:
        found[newest[place]] = sorted([*found[newest[place]], *found.pop(place)], key=_age)
    return found


def _age(result: Result) -> tuple[str, str]:
    """What orders results, the oldest first."""
    return result.when, result.id


_LASTING = attrgetter(*(one.name for one in fields(Key) if one.name not in EDITION))


def any_edition(key: Key) -> tuple[Any, ...]:
    """What a key shares with those of other editions, which a job that failed early may not have learnt."""
    found: tuple[Any, ...] = _LASTING(key)
    return found


def _editions(keys: Iterable[Key]) -> dict[Key, str]:
    """In what each key differs from those of the same job, as in "drawer version 2"; "" when there is no other."""
    rivals: dict[tuple[Any, ...], list[Key]] = defaultdict(list)
    for key in keys:
        rivals[any_edition(key)].append(key)
    return {key: _edition(key, group) for group in rivals.values() for key in group}


def _edition(key: Key, rivals: Sequence[Key]) -> str:
    differing = [name for name in EDITION if len({getattr(rival, name) for rival in rivals}) > 1]
    return ", ".join(f"{name.replace('_', ' ')} {getattr(key, name)}" for name in differing)


def grouped(results: Sequence[Result]) -> tuple[dict[Key, dict[int, Result]], int]:
    """Results (oldest first) by key and seed, the newest of each; and how many that left out."""
    groups: dict[Key, dict[int, Result]] = {}
    latest: dict[tuple[Any, ...], Key] = {}
    superseded = 0
    for result in sorted(results, key=lambda result: result.error is not None):
        key = result.key
        if key.source is not None and key.source_data is None:
            key = latest.get(any_edition(key), key)
        if (seeds := groups.get(key)) is None:
            seeds = groups[key] = {}
            latest[any_edition(key)] = key
        older = seeds.get(result.seed)
        superseded += older is not None
        if older is None or older.when <= result.when:
            seeds[result.seed] = result
    return groups, superseded


def _board(place: Place, results: Sequence[Result]) -> Board:
    groups, superseded = grouped(results)
    required, editions = _required(groups), _editions(groups)
    rows = [_row(key, by_seed, required[key.sparsity], editions[key]) for key, by_seed in groups.items()]
    complete = sorted((row for row in rows if row.missing is None), key=_order)
    scored = [result for result in results if result.error is None]
    return Board(
        place=place,
        metric=scored[-1].metric if scored else "",
        split=scored[-1].split if scored else "",
        rows=tuple(_compared(complete)),
        incomplete=tuple(sorted((row for row in rows if row.missing), key=lambda row: row.key.name)),
        superseded=superseded,
    )


def _compared(rows: Sequence[Row]) -> list[Row]:
    """Complete rows (best first) with all that they are by comparison, each ticket followed by its controls."""
    scores = {row.key: row.by_seed for row in rows}
    references = References(scores)
    found = {row.key: references.compared(row.key) for row in rows}
    for part in (_marked(rows), _ranked(rows, scores), _best(rows)):
        for key, told in part.items():
            found[key] |= told
    by_key = {row.key: row for row in rows}
    return [replace(by_key[key], **found[key], **fields) for key, fields in _arranged(rows).items()]


def _order(row: Row) -> tuple[float, tuple[str, ...]]:
    return (-row.mean, row.key.name)


def _required(groups: Mapping[Key, Mapping[int, Result]]) -> dict[float, tuple[int, ...]]:
    """By sparsity, the seeds of the most complete row; of equally long ones the first in order.

    Rows are ranked per sparsity. What removes nothing is a reference for all, and measured against all.
    """
    scored = {key: tuple(sorted(seed for seed, r in seeds.items() if r.error is None)) for key, seeds in groups.items()}

    def most(sparsity: float) -> tuple[int, ...]:
        rivals = (seeds for key, seeds in scored.items() if key.sparsity == sparsity or not sparsity)
        return min(rivals, key=lambda seeds: (-len(seeds), seeds))

    return {sparsity: most(sparsity) for sparsity in {key.sparsity for key in groups}}


def _row(key: Key, by_seed: Mapping[int, Result], required: tuple[int, ...], edition: str) -> Row:
    """A row without its comparisons; one that is incomplete has only its seeds and the reason."""
    results = tuple(result for _, result in sorted(by_seed.items()))
    stated = _average(results, "stated_macs")
    seeds = tuple(result.seed for result in results if result.error is None)
    if missing := _missing(by_seed, seeds, required):
        return Row(key=key, seeds=seeds, missing=missing, edition=edition, results=results)
    return Row(
        key=key,
        seeds=seeds,
        edition=edition,
        results=results,
        score=_over_seeds(results, "score"),
        before=_over_seeds(results, "before"),
        after=_over_seeds(results, "after"),
        remaining=_average(results, "remaining"),
        parameters=_average(results, "parameters"),
        sparse_macs=_average(results, "sparse_macs"),
        deployed_parameters=_average(results, "deployed_parameters"),
        deployed_macs=_average(results, "deployed_macs"),
        drawing_macs=None if stated is None else _average(results, "drawing_macs"),
        training_macs=_average(results, "training_macs"),
        stated_macs=stated,
        wall_s=_average(results, "wall_s"),
    )


def _values(results: Sequence[Result], name: str) -> list[float] | None:
    """A number of every result; None where one lacks it."""
    found = [getattr(result, name) for result in results]
    return None if None in found else found


def _average(results: Sequence[Result], name: str) -> float | None:
    found = _values(results, name)
    if found is None:
        return None
    return found[0] if len(set(found)) == 1 else stats.mean(found)


def _over_seeds(results: Sequence[Result], name: str) -> Estimate | None:
    found = _values(results, name)
    return None if found is None else stats.estimate(found)


def _missing(by_seed: Mapping[int, Result], ok: tuple[int, ...], required: tuple[int, ...]) -> str | None:
    """Why a row is incomplete, or None."""
    reasons = [f"seed {seed} failed: {r.error}" for seed, r in sorted(by_seed.items()) if r.error is not None]
    absent = [str(seed) for seed in required if seed not in by_seed]
    if len(ok) < len(required) and absent:
        reasons.insert(0, f"no record of seed{'s' if len(absent) > 1 else ''} {', '.join(absent)}")
    return "; ".join(reasons) or None


class References:
    """What the complete rows of a board are compared with: the dense references and the native tickets.

    Args:
        scores: score by key and seed, of all complete rows.
    """

    def __init__(self, scores: Mapping[Key, Mapping[int, float]]) -> None:
        self.scores = scores
        self.dense: dict[tuple[str | None, ...], list[Key]] = defaultdict(list)
        self.native: dict[Method, list[Key]] = defaultdict(list)
        self.scratch: list[Key] = []
        for key in scores:
            if key.drawer == "dense" and key.recipe == "finetune" and key.transform is None:
                self.dense[key.source, key.source_data, key.head].append(key)
            if key.drawer == "dense" and key.source is None and key.recipe == "scratch":
                self.scratch.append(key)
            if key.is_native and not key.is_spoilt:
                self.native[method(key)].append(key)

    def compared(self, key: Key) -> Fields:
        """A row's shares of the dense references and its transfer gap; a draw has none."""
        own = self.scores[key]
        if key.target is None:
            return {}
        found: Fields = {"of_scratch": stats.ratio(own, self._of(key, self.scratch))}
        if key.source is None:
            return found
        found["of_dense"] = stats.ratio(own, self._of(key, self.dense[key.source, key.source_data, key.head]))
        if not key.is_native or key.is_spoilt:
            found["gap"] = stats.paired(own, self._of(key, self.native[method(key)]))
        return found

    def _of(self, key: Key, found: Sequence[Key]) -> Mapping[int, float]:
        """The scores of the reference of the same origin, else of any."""
        best = min(found, key=lambda other: (other.origin != key.origin, other.name), default=None)
        return self.scores[best] if best else {}


def method(key: Key) -> Method:
    """What a ticket, its random controls and the native ticket have in common, wherever they were drawn."""
    return (key.method, key.drawer_version, key.sparsity, key.recipe, key.recipe_version, key.head)


def _marked(rows: Sequence[Row]) -> dict[Key, Fields]:
    """The ratios of budgets to the contenders' (else everybody's) where they are unequal."""
    totals = {row.key: row.total_macs for row in rows}
    peers = [totals[row.key] for row in rows if row.key.is_contender] or list(totals.values())
    known = [total for total in peers if total]
    if not known:
        return {}
    usual = median_low(known)
    ratios = {key: total / usual for key, total in totals.items() if total is not None}
    return {key: {"budget_ratio": ratio} for key, ratio in ratios.items() if abs(ratio - 1) > UNEQUAL}


def _ranked(rows: Sequence[Row], scores: Mapping[Key, Mapping[int, float]]) -> dict[Key, Fields]:
    """The ranks of contenders whose cost is known, counted apart at each sparsity; the rows come best first."""
    above: dict[float, tuple[int, Key]] = {}
    ranked: dict[Key, Fields] = {}
    for key in (row.key for row in rows if row.key.is_contender and row.stated_macs is not None):
        rank, better = above.get(key.sparsity, (0, None))
        difference = stats.paired(scores[better], scores[key]) if better else None
        is_decided = None if better is None else difference is not None and difference.is_decided
        ranked[key] = {"rank": rank + 1, "is_decided": is_decided}
        above[key.sparsity] = (rank + 1, key)
    return ranked


def _best(rows: Sequence[Row]) -> dict[Key, Fields]:
    """Which of the tickets and native tickets are Pareto-best, by MACs and by remaining weights."""
    rivals = [row for row in rows if row.key.role in ("ticket", "native")]
    by_macs, by_remaining = _front(rivals, "sparse_macs"), _front(rivals, "remaining")
    return {
        row.key: {"pareto_macs": by_macs.get(row.key), "pareto_remaining": by_remaining.get(row.key)} for row in rivals
    }


def _front(rivals: Sequence[Row], cost: str) -> dict[Key, bool]:
    """Which of the rows that tell their cost are Pareto-best."""
    rivals = [row for row in rivals if getattr(row, cost) is not None]
    best = pareto.front([(getattr(row, cost), row.mean) for row in rivals])
    return {row.key: is_best for row, is_best in zip(rivals, best, strict=True)}


def _arranged(rows: Sequence[Row]) -> dict[Key, Fields]:
    """The rows' groups (best first) so that each ticket is followed by its random control and the native ticket by
    its own.

    A native ticket stands below the best ticket of its method, where there is one.
    """
    leads = _leads([row.key for row in rows])
    groups: dict[Key, list[Key]] = {key: [] for key, lead in leads.items() if lead == key}
    for key in sorted(leads, key=lambda key: (key.is_native, key.is_spoilt)):
        groups[leads[key]].append(key)
    return {
        key: {"group": number, "is_control": key != lead}
        for number, (lead, members) in enumerate(groups.items(), 1)
        for key in members
    }


def _leads(keys: Sequence[Key]) -> dict[Key, Key]:
    """The row (best first) below which each stands; its own where it stands below none."""
    tickets = {key: key for key in keys}
    has_spoilt = any(key.is_spoilt for key in keys)
    of_any_code = {_bare(key): key for key in reversed(keys)} if has_spoilt else {}
    best: dict[Method, Key] = {}
    for key in keys:
        if key.is_contender:
            best.setdefault(method(key), key)

    def lead(key: Key) -> Key:
        if key.is_spoilt:
            plain = replace(key, transform=None, control=None)
            ticket = tickets.get(plain) or of_any_code.get(_bare(plain))
            return lead(ticket) if ticket else key
        return best.get(method(key), key) if key.is_native else key

    return {key: lead(key) for key in keys}


def _bare(key: Key) -> Key:
    """A key without what its controls may differ in: other packages' code, and how it came from another host."""
    return replace(key, code=None, transform=None if key.host_drawn and not key.is_spoilt else key.transform)
