"""Registered claims held against records: the difference as first registered, and what may be said of others. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.boards import pairing
from bench.boards.pairing import Cell, Difference, Scores
from bench.boards.result import Place, Result
from bench.numbers import stats
from bench.numbers.crossed import Crossed, crossed
from bench.records.record import Record
from bench.request.claim import Arms, Claim, Contrast, Registration
from bench.request.sweep import NONE
from tasks import TASKS

SUPPORTED, REFUTED, UNDECIDED, VOID, NOT_RUN = "supported", "not supported", "undecided", "void", "not run"
ALPHA = 1 - stats.LEVEL


@dataclass(frozen=True)
class Verdict:
    """What records say of a claim.

    Args:
        family: name of its file.
        name: its own.
        claim: what was registered.
        count: claims of its family, which it is adjusted for.
        first: the difference as first registered, fractions; None where nothing was run.
        crossed: the same with sources and seeds as two samples; None where nothing tells a spread.
        level: that its interval has after Holm's adjustment.
        p: likewise adjusted.
    """

    family: str
    name: str
    claim: Claim
    count: int
    first: stats.Pooled | None
    crossed: Crossed | None
    level: float = stats.LEVEL
    p: float = 1.0

    @property
    def word(self) -> str:
        """The verdict, adjusted: supported, not supported, undecided, void or not run."""
        low, high = self.interval or (None, None)
        return self._word(self.crossed.mean if self.crossed else None, low, high)

    @property
    def first_word(self) -> str:
        """The verdict as first registered."""
        first = self.first
        return self._word(first.mean, first.low, first.high) if first else self._word(None, None, None)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the two factors, at the adjusted level, fractions."""
        return self.crossed.interval(self.level) if self.crossed else None

    def _word(self, mean: float | None, low: float | None, high: float | None) -> str:
        """Supported above zero, or above a margin of non-inferiority, and by the margin; not so below the margin."""
        if self.first is None:
            return NOT_RUN
        if self.claim.void:
            return VOID
        if mean is None or low is None or high is None:
            return UNDECIDED
        margin = self.claim.margin / 100
        if low > min(0.0, margin) and mean >= margin:
            return SUPPORTED
        return REFUTED if high < margin else UNDECIDED


class Bench:
    """Records, read once for all claims.

    Args:
        records: of any kind.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = list(records)
        self._cells: dict[tuple[str, bool], dict[Cell, Scores]] = {}

    def of(self, registration: Registration) -> list[Verdict]:
        """The claims of one family, in its order."""
        claims, found = registration.family.claims, []
        for name, claim in claims.items():
            differences = self.differences(claim.contrast)
            pooled = _pooled(differences, claim.contrast) if differences else None
            found.append(Verdict(registration.name, name, claim, len(claims), pooled, crossed(_table(differences))))
        return adjusted(found)

    def differences(self, contrast: Contrast) -> list[Difference]:
        """What a contrast is, cell by cell; where something is taken off, cells of one source, target and sparsity."""
        found = self._of_arms(contrast)
        return found if contrast.less is None else _less(found, self._of_arms(contrast.less))

    def results(self, contrast: Contrast) -> Iterator[Result]:
        """Every result that a contrast is made of, older ones of the same job too."""
        for arms in (contrast, *([contrast.less] if contrast.less else [])):
            for cell, name, result in pairing.results(self._records, arms.by, NONE in arms.target):
                if (arms.by == "members" or name in (arms.first, arms.second)) and _is_asked(cell, arms):
                    yield result

    def _of_arms(self, arms: Arms) -> list[Difference]:
        key = arms.by, NONE in arms.target
        if key not in self._cells:
            self._cells[key] = pairing.cells(self._records, *key)
        wanted = {cell: found for cell, found in sorted(self._cells[key].items()) if _is_asked(cell, arms)}
        return pairing.differences(wanted, arms.first, arms.second)


def adjusted(found: Sequence[Verdict]) -> list[Verdict]:
    """Verdicts of one family, adjusted for their number by Holm's step-down procedure, in their order.

    Claims are taken by p, the smallest first; the k-th of N is tested at 5 % / (N - k + 1), and once one is not
    decided, all that follow have its level. A claim that was not run, or is void, counts as one that is not decided.
    """
    ps = [_p(one) for one in found]
    told = stats.holm(ps)
    levels, left = [0.0] * len(ps), len(ps)
    for place in sorted(range(len(ps)), key=ps.__getitem__):
        levels[place] = 1 - ALPHA / left
        left -= ps[place] <= ALPHA / left
        left = max(left, 1)
    return [replace(one, level=level, p=p) for one, level, p in zip(found, levels, told, strict=True)]


def _p(verdict: Verdict) -> float:
    """The least level at which an interval of two factors decides the claim: for it, or that it falls short."""
    found, margin = verdict.crossed, verdict.claim.margin / 100
    if found is None or verdict.claim.void:
        return 1.0
    bar = min(0.0, margin)
    above = found.p(bar) if found.mean > bar else 1.0
    return min(above, found.p(margin) if found.mean < margin else 1.0)


def _is_asked(cell: Cell, arms: Arms) -> bool:
    """Whether a contrast names what a cell has; a method that removes nothing stands for every sparsity."""
    place = cell.place
    told = {"source": cell.source, "method": cell.method, "recipe": cell.recipe, "target": place.task}
    asked = {name: [TASKS.aliases.get(one, one) for one in getattr(arms, name)] for name in told}
    if any(told[name] not in names for name, names in asked.items() if names not in ([], [NONE])):
        return False
    if arms.sparsity and cell.sparsity not in (*arms.sparsity, 0.0):
        return False
    wanted = {"host": arms.host, "scale": arms.scale, "budget": arms.budget}
    return all(value is None or getattr(place, name) == value for name, value in wanted.items())


def _pooled(found: Sequence[Difference], contrast: Contrast) -> stats.Pooled:
    return pairing.pooled(found, contrast.by, contrast.clusters)


def settings(found: Iterable[Difference]) -> set[Place]:
    """The ways in which some differences were computed; a contrast has one."""
    return {pairing.setting_of(one.cell) for one in found}


def _table(found: Iterable[Difference]) -> dict[tuple[str, int], float]:
    """The mean difference by source and seed, over all that it was seen on."""
    values: dict[tuple[str, int], list[float]] = defaultdict(list)
    for one in found:
        for seed, value in one.by_seed.items():
            values[one.cell.source, seed].append(value)
    return {key: stats.mean(part) for key, part in values.items()}


def _less(found: Iterable[Difference], other: Iterable[Difference]) -> list[Difference]:
    """One difference minus another, each the mean over methods or recipes, paired by everything else and seed."""
    left, right = _merged(found), _merged(other)
    both = {cell: {s: v - right[cell][s] for s, v in by_seed.items() if s in right[cell]}
            for cell, by_seed in left.items() if cell in right}  # fmt: skip
    return [
        Difference(cell, stats.mean(list(left[cell].values())), stats.mean(list(right[cell].values())), by_seed,
                   stats.estimate(list(by_seed.values())), None, None)
        for cell, by_seed in both.items() if by_seed
    ]  # fmt: skip


def _merged(found: Iterable[Difference]) -> dict[Cell, dict[int, float]]:
    values: dict[Cell, Mapping[int, list[float]]] = {}
    for one in found:
        into = values.setdefault(replace(one.cell, method="", recipe=""), defaultdict(list))
        for seed, value in one.by_seed.items():
            into[seed].append(value)
    return {cell: {seed: stats.mean(part) for seed, part in by_seed.items()} for cell, by_seed in values.items()}


def verdicts(records: Iterable[Record], families: Iterable[Registration]) -> list[Verdict]:
    """What some records say of all claims of some families, each adjusted within its own."""
    bench = Bench(records)
    return [one for found in families for one in bench.of(found)]
