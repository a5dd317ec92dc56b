"""Records -> the jobs that several methods share but for the method: what may be compared pair by pair. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bench import stats
from bench.leaderboard import grouped, placed
from bench.record import Record
from bench.result import Key, Place
from tickets.errors import UserError, unknown

Scores = dict[str, dict[int, float]]
"""Score by method and seed."""


@dataclass(frozen=True, order=True)
class Cell:
    """What the jobs of several methods have in common.

    Args:
        place: target, data, scale, host and budget.
        source: task that tickets are drawn on.
        recipe: how they are trained on the target.
        head: "fresh" or "keep".
        sparsity: asked for.
    """

    place: Place
    source: str
    recipe: str
    head: str
    sparsity: float

    def __str__(self) -> str:
        parts = [f"{self.source} -> {self.place.task}", self.recipe, f"{self.sparsity:.0%}", self.place.scale]
        extra = [f"budget {self.place.budget:g}"] if self.place.budget != 1 else []
        return ", ".join([*parts, *extra])


@dataclass(frozen=True)
class Difference:
    """One method against another in one cell.

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


def cells(records: Iterable[Record]) -> dict[Cell, Scores]:
    """Scores of all transfers of drawn tickets, by cell, method and seed; of several editions the newest.

    A method that removes nothing stands in the cells of every sparsity.
    """
    found: dict[Cell, Scores] = defaultdict(dict)
    dense: list[tuple[Cell, str, dict[int, float]]] = []
    for place, members in placed(records).items():
        for key, by_seed in sorted(grouped(members)[0].items(), key=lambda item: _edition(item[0])):
            scores = {seed: result.score for seed, result in by_seed.items() if result.score is not None}
            if key.source is None or key.target is None or not scores:
                continue
            cell = Cell(place, key.source, key.recipe or "", key.head or "", key.sparsity)
            found[cell][key.ticket] = scores
            if key.sparsity == 0:
                dense.append((cell, key.ticket, scores))
    for cell, method, scores in dense:
        for other in [c for c in found if replace(c, sparsity=0.0) == cell and c.sparsity]:
            found[other].setdefault(method, scores)
    return dict(found)


def _edition(key: Key) -> tuple[int, int, str]:
    return (key.drawer_version or 0, key.recipe_version or 0, key.source_data or "")


def methods(found: dict[Cell, Scores]) -> list[str]:
    """All methods of some cells, sorted."""
    return sorted({method for scores in found.values() for method in scores})


def chosen(found: dict[Cell, Scores], keep: Callable[[Cell], bool], names: Sequence[str]) -> dict[Cell, Scores]:
    """The cells that are asked for and hold at least two of these methods.

    Raises:
        UserError: a name that no record has, or no such cell.
    """
    known = methods(found)
    for name in names:
        if name not in known:
            raise unknown("method among the transfers", name, known)
    kept = {cell: {m: s for m, s in scores.items() if m in names} for cell, scores in found.items() if keep(cell)}
    shared = {cell: scores for cell, scores in sorted(kept.items()) if len(scores) > 1}
    if not shared:
        raise UserError(
            f"no job is shared by two of {', '.join(names)}; they must have source, target, recipe, sparsity, scale "
            "and budget in common. Run both, or ask for less by --source, --target or --sparsity."
        )
    return shared


def differences(found: dict[Cell, Scores], left: str, right: str) -> list[Difference]:
    """The one method minus the other in every cell where they share a seed."""
    pairs = []
    for cell, scores in found.items():
        seeds = sorted(scores.get(left, {}).keys() & scores.get(right, {}).keys())
        if seeds:
            pairs.append((cell, {seed: scores[left][seed] - scores[right][seed] for seed in seeds}))
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


def pooled(found: Sequence[Difference]) -> stats.Pooled:
    """All differences together, clustered by the pair of tickets that they come from: source, sparsity and seed."""
    clusters: dict[tuple[str, float, str, int], list[float]] = defaultdict(list)
    for difference in found:
        cell = difference.cell
        for seed, value in difference.by_seed.items():
            clusters[cell.source, cell.sparsity, cell.place.scale, seed].append(value)
    return stats.clustered(clusters)


def ranked(found: dict[Cell, Scores]) -> tuple[dict[str, float], int]:
    """Average ranks over the cells and seeds that all methods of `found` share; and how many those are."""
    names = methods(found)
    whole = []
    for scores in found.values():
        if len(scores) == len(names):
            seeds = set.intersection(*(set(by_seed) for by_seed in scores.values()))
            whole += [{name: scores[name][seed] for name in names} for seed in sorted(seeds)]
    return (stats.average_ranks(whole) if whole else {}), len(whole)
