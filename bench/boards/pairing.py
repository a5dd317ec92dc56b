"""Records -> jobs that share everything but one thing, mostly the method: what may be compared in pairs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from bench.boards.leaderboard import grouped, placed
from bench.boards.result import Key, Place, Result
from bench.numbers import stats
from bench.records.record import Record
from tickets.errors import UserError, unknown

NATIVE, TRANSFERRED = "native", "transferred"

OF = " of "
"""Stands in the name of what a transform made of a method's tickets, as in "random of omp"."""

TOGETHER, BEST, MEAN = "together", "best", "mean"

CLUSTERS = {"method": "source and seed", "recipe": "source and seed", "origin": "seed", "members": "source and seed"}
"""What may be compared, and what pooled values are clustered by. Tickets of one source and seed share their host's
first weights, often a search; a ticket drawn on a target meets those of every source, so that only seeds are left."""

Scores = dict[str, dict[int, float]]
"""Score by what is compared (methods, recipes, or origins) and seed."""


@dataclass(frozen=True, order=True)
class Cell:
    """What the jobs that are compared have in common; what they are compared by is "".

    Args:
        place: target, data, scale, host, budget and way of computing.
        source: task that tickets are drawn on; by origin, that of the transferred one.
        method: as tables call it.
        recipe: how they are trained on the target.
        head: "fresh" or "keep".
        sparsity: asked for.
    """

    place: Place
    source: str
    method: str
    recipe: str
    head: str
    sparsity: float


@dataclass(frozen=True)
class Difference:
    """The one against the other in one cell.

    Args:
        cell: where.
        left: mean score of the one over the seeds that both have.
        right: mean score of the other.
        by_seed: differences, left - right.
        estimate: their mean and t-interval.
        p: of the signed-rank test, adjusted by Holm over all comparisons; None where it could not reach 5 %.
        needed: seeds that would show a difference of one point.
    """

    cell: Cell
    left: float
    right: float
    by_seed: dict[int, float]
    estimate: stats.Estimate
    p: float | None
    needed: int | None


def cells(records: Iterable[Record], by: str = "method", draws: bool = False) -> dict[Cell, Scores]:
    """Scores of all transfers of drawn tickets, by cell, what is compared and seed; of several editions the newest.

    A method that removes nothing stands in the cells of every sparsity, a native ticket in those of every source.

    Args:
        records: of any kind.
        by: "method", "recipe", "origin": "transferred" against "native", drawn on the target itself, or "members": sets
            "together" against the "best" of their members on test and their "mean".
        draws: those of the draws themselves, on their sources.
    """
    jobs = [
        (place, key, by_seed)
        for place, members in placed(records).items()
        for key, by_seed in sorted(grouped(members)[0].items(), key=lambda item: edition(item[0]))
    ]
    return celled(jobs, by, draws)


def celled(
    jobs: Iterable[tuple[Place, Key, Mapping[int, Result]]], by: str = "method", draws: bool = False
) -> dict[Cell, Scores]:
    """The same of what was grouped already: place, key and results by seed, of several editions the newest last."""
    found: dict[Cell, Scores] = defaultdict(dict)
    widened: dict[tuple[Cell, str], str] = {}
    for place, key, by_seed in jobs:
        scores = {seed: result.score for seed, result in by_seed.items() if result.score is not None}
        if key.source is None or (key.target is None) != draws or not scores:
            continue
        cell, name, wide = _cell(place, key, by)
        found[cell] |= _of_members(by_seed) if by == "members" else {name: scores}
        if wide:
            widened[cell, name] = wide
    alike: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for field in set(widened.values()):
        for cell in found:
            alike[field, *_without(cell, field)].append(cell)
    for (cell, name), field in widened.items():
        for other in alike[field, *_without(cell, field)]:
            found[other].setdefault(name, found[cell][name])
    return dict(found)


def _without(cell: Cell, name: str) -> tuple[Any, ...]:
    """What a cell has in common with others of every value of a field."""
    return tuple(getattr(cell, field.name) for field in fields(cell) if field.name != name)


def results(records: Iterable[Record], by: str = "method", draws: bool = False) -> Iterator[tuple[Cell, str, Result]]:
    """Every result that `cells` may read, older ones too, with its cell and what it is compared as."""
    for place, members in placed(records).items():
        for result in members:
            if result.key.source is not None and (result.key.target is None) == draws:
                cell, name, _ = _cell(place, result.key, by)
                yield cell, name, result


def _of_members(by_seed: Mapping[int, Result]) -> Scores:
    """What sets score together and their members alone; nothing of single tickets."""
    sets = {seed: one for seed, one in by_seed.items() if one.members}
    told: Scores = {TOGETHER: {seed: one.score for seed, one in sets.items() if one.score is not None}}
    for name, of in ((BEST, max), (MEAN, stats.mean)):
        told[name] = {seed: of(one.members) for seed, one in sets.items()}
    return told if sets else {}


def _cell(place: Place, key: Key, by: str) -> tuple[Cell, str, str | None]:
    """Where a row belongs, under which name, and the field whose every value it stands for, if any."""
    cell = Cell(place, key.source or "", key.ticket, key.recipe or "", key.head or "", key.sparsity)
    if by == "origin":
        return (cell, NATIVE, "source") if key.is_native else (cell, TRANSFERRED, None)
    if by == "recipe":
        return replace(cell, recipe=""), cell.recipe, None
    if by == "members":
        return cell, "", None
    return replace(cell, method=""), cell.method, None if key.sparsity else "sparsity"


def edition(key: Key) -> tuple[int, int, str, str]:
    """What orders the editions of a row, the newest last."""
    return (key.drawer_version or 0, key.recipe_version or 0, key.source_data or "", key.code or "")


def names_of(found: dict[Cell, Scores]) -> list[str]:
    """All that may be compared in some cells, sorted."""
    return sorted({name for scores in found.values() for name in scores})


def chosen(
    found: dict[Cell, Scores], keep: Callable[[Cell], bool], names: Sequence[str], by: str = "method"
) -> dict[Cell, Scores]:
    """The cells that are asked for and hold at least two of these.

    Args:
        found: from `cells`.
        keep: which cells are asked for.
        names: what to compare.
        by: as for `cells`; for messages.

    Raises:
        UserError: a name that no record has, or no such cell.
    """
    known = names_of(found)
    for name in names:
        if name not in known:
            raise unknown(f"{by} among the transfers", name, known)
    kept = {cell: {m: s for m, s in scores.items() if m in names} for cell, scores in found.items() if keep(cell)}
    shared = {cell: scores for cell, scores in sorted(kept.items()) if len(scores) > 1}
    if not shared:
        raise UserError(
            f"no job is shared by two of {', '.join(names)}; they must have everything but the {by} in common: "
            f"source, target, sparsity, scale, budget, precision, device{_apart(found, keep, *names)}. Run both, or "
            "ask for less by --source, --target or --sparsity."
        )
    return shared


def rivals(found: dict[Cell, Scores], keep: Callable[[Cell], bool], name: str) -> list[str]:
    """What shares a cell with a method: methods, not its own controls and other forms, nor those of others.

    Args:
        found: from `cells`.
        keep: which cells are asked for.
        name: of the method.

    Raises:
        UserError: there is no such method, or it shares no cell; says what the nearest differ in.
    """
    if name not in (known := names_of(found)):
        raise unknown("method among the transfers", name, known)
    own = [cell for cell, scores in found.items() if name in scores and keep(cell)]
    others = {other for cell in own for other in found[cell] if other != name and OF not in other}
    if not others:
        raise UserError(
            f"{name} shares no job with another method{_apart(found, keep, name, *(set(known) - {name}))}; run it as "
            "they were, or compare others."
        )
    return sorted(others)


def _apart(found: dict[Cell, Scores], keep: Callable[[Cell], bool], name: str, *others: str) -> str:
    """In what the cells of one and those of others for the same task differ least, as the end of a sentence."""
    own = [cell for cell, scores in found.items() if name in scores and keep(cell)]
    pairs = [
        _differing(cell, other)
        for cell in own
        for other, scores in found.items()
        if other != cell and other.place.task == cell.place.task and not scores.keys().isdisjoint(others)
    ]
    nearest = min(pairs, key=len, default=[])
    return f"; the nearest differ in {', '.join(nearest)}" if nearest else ""


def _differing(one: Cell, other: Cell) -> list[str]:
    """Fields in which two cells differ, each with both values."""
    return [
        f"{part.name.replace('_', ' ')} ({here or 'usual'} here, {there or 'usual'} there)"
        for kind, a, b in ((Place, one.place, other.place), (Cell, replace(one, place=other.place), other))
        for part in fields(kind)
        if (here := getattr(a, part.name)) != (there := getattr(b, part.name))
    ]


@dataclass(frozen=True)
class Lacking:
    """What one of two methods has in a cell and the other lacks: seeds, and what transforms made of its tickets.

    Args:
        cells: all there are, from `cells`.
    """

    cells: Mapping[Cell, Scores]

    def of(self, cell: Cell, left: str, right: str) -> list[str]:
        """As in ["mine lacks seeds 3, 4", "no random of mine"]; of the second method seeds alone."""
        scores = self.cells.get(cell, {})
        found = [self._seeds(scores, *names) for names in ((left, right), (right, left))]
        forms = [name.removesuffix(OF + right) for name in scores if name.endswith(OF + right)]
        found += [f"no {form}{OF}{left}" for form in sorted(forms) if form + OF + left not in scores]
        return [text for text in found if text]

    @staticmethod
    def _seeds(scores: Scores, name: str, other: str) -> str:
        absent = sorted(scores.get(other, {}).keys() - scores.get(name, {}).keys())
        return f"{name} lacks seed{'s' if len(absent) > 1 else ''} {', '.join(map(str, absent))}" if absent else ""


def paired(found: Mapping[Cell, Scores], left: str, right: str) -> Iterator[tuple[Cell, dict[int, float]]]:
    """Every cell where two share a seed, and the one's score minus the other's by seed."""
    for cell, scores in found.items():
        seeds = sorted(scores.get(left, {}).keys() & scores.get(right, {}).keys())
        if seeds:
            yield cell, {seed: scores[left][seed] - scores[right][seed] for seed in seeds}


def differences(found: dict[Cell, Scores], left: str, right: str) -> list[Difference]:
    """The one minus the other in every cell where they share a seed."""
    pairs = list(paired(found, left, right))
    raw = [
        stats.wilcoxon(list(by_seed.values())) if stats.can_reach(len(by_seed), len(pairs)) else None
        for _, by_seed in pairs
    ]
    adjusted = iter(stats.holm([p for p in raw if p is not None]))
    return [
        Difference(
            cell,
            stats.mean([found[cell][left][seed] for seed in by_seed]),
            stats.mean([found[cell][right][seed] for seed in by_seed]),
            by_seed,
            stats.estimate(list(by_seed.values())),
            None if p is None else next(adjusted),
            stats.seeds_needed(list(by_seed.values())),
        )
        for (cell, by_seed), p in zip(pairs, raw, strict=True)
    ]


def pooled(found: Sequence[Difference], by: str = "method", clusters: str | None = None) -> stats.Pooled:
    """All differences together, clustered by what they are not independent in: see `CLUSTERS`, unless it is told."""
    return pooled_by_seed([(one.cell, one.by_seed) for one in found], by, clusters)


def pooled_by_seed(
    found: Iterable[tuple[Cell, Mapping[int, float]]], by: str = "method", clusters: str | None = None
) -> stats.Pooled:
    """The same of differences by seed, as `paired` gives them."""
    by_seed_alone = (clusters or CLUSTERS[by]) == "seed"
    values: dict[tuple[Place, str, int], list[float]] = defaultdict(list)
    for cell, by_seed in found:
        for seed, value in by_seed.items():
            values[setting_of(cell), "" if by_seed_alone else cell.source, seed].append(value)
    return stats.clustered(values)


def setting_of(cell: Cell) -> Place:
    """What a cell was computed by, its task apart: what is compared in one go has it in common."""
    return _setting_of(cell.place)


@lru_cache
def _setting_of(place: Place) -> Place:
    return replace(place, task="", data="")


def shared(found: dict[Cell, Scores]) -> list[dict[str, float]]:
    """Scores by name, of the cells and seeds that all of `found` share."""
    names = names_of(found)
    whole = []
    for scores in found.values():
        if len(scores) == len(names):
            seeds = set.intersection(*(set(by_seed) for by_seed in scores.values()))
            whole += [{name: scores[name][seed] for name in names} for seed in sorted(seeds)]
    return whole
