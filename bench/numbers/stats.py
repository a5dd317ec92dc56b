"""Means over seeds and their 95 % t-intervals, paired differences, pooled ones, tests, ranks, numbers of seeds."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVEL = 0.95
POWER = 0.8
RESAMPLES = 10_000
FEW = 10  # clusters, below which percentiles of a bootstrap are too narrow
MOST_SEEDS = 10_000  # a need for more is no plan


Name = TypeVar("Name", bound=Hashable)
"""What a value belongs to: a method's name, a row's key, a cluster."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Args:
        mean: the mean.
        half: half the width of the 95 % t-interval; None for one value.
        n: number of values.
    """

    mean: float
    half: float | None
    n: int

    @property
    def is_decided(self) -> bool:
        """Whether the interval leaves out zero; never so for one value."""
        return self.half is not None and abs(self.mean) > self.half


def mean(values: Sequence[float]) -> float:
    """The mean, correctly rounded sum: the same for any order of the values.

    Example:
        >>> mean([0.25, 1.0])
        0.625
    """
    return math.fsum(values) / len(values)


def half_width(values: Sequence[float]) -> float | None:
    """Half the width of the 95 % t-interval of the mean (n - 1 degrees of freedom); None for one value.

    A t-interval, since a percentile bootstrap of five values covers about 85 %, not 95.
    """
    n = len(values)
    if n < 2:
        return None
    centre = mean(values)
    variance = math.fsum((value - centre) ** 2 for value in values) / (n - 1)
    return quantile(n - 1) * math.sqrt(variance / n)


@lru_cache
def quantile(degrees: int) -> float:
    """The two-sided 95 % quantile of Student's t, to 12 digits, so that it is the same for every scipy.

    Example:
        >>> quantile(4)
        2.7764451052
    """
    from scipy.special import stdtrit  # scipy.stats takes three times as long to import

    return float(f"{stdtrit(degrees, (1 + LEVEL) / 2):.12g}")


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and interval of one value a seed.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("the mean of no values was asked for")
    return Estimate(mean(values), half_width(values), len(values))


def paired(left: Mapping[int, float], right: Mapping[int, float]) -> Estimate | None:
    """The mean of left - right over the seeds that both have; None when they share none.

    Args:
        left: value by seed.
        right: value by seed.

    Example:
        >>> paired({0: 0.5, 1: 0.75}, {1: 0.5, 2: 0.9})
        Estimate(mean=0.25, half=None, n=1)
    """
    seeds = sorted(left.keys() & right.keys())
    return estimate([left[seed] - right[seed] for seed in seeds]) if seeds else None


def ratio(left: Mapping[int, float], right: Mapping[int, float]) -> float | None:
    """The mean of left / the mean of right over the seeds that both have; None when undefined.

    Example:
        >>> ratio({0: 0.25, 1: 0.5}, {0: 0.5, 1: 0.5})
        0.75
    """
    seeds = sorted(left.keys() & right.keys())
    below = math.fsum(right[seed] for seed in seeds)
    return math.fsum(left[seed] for seed in seeds) / below if below else None


@dataclass(frozen=True)
class Pooled:
    """A mean over values that share tickets.

    Args:
        mean: of the clusters' means, each counting once however many values it has.
        low: lower end of the 95 % interval.
        high: upper end; both None for one cluster.
        clusters: their number.
        n: number of values.
    """

    mean: float
    low: float | None
    high: float | None
    clusters: int
    n: int

    @property
    def is_decided(self) -> bool:
        """Whether the interval leaves out zero; never so for one cluster."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def clustered(values: Mapping[Name, Sequence[float]], seed: int = 0) -> Pooled:
    """The mean over clusters with a percentile bootstrap that draws whole clusters.

    Values of one cluster (one ticket on several targets) are not independent: drawing them one by one makes the
    interval too narrow. Percentiles of few clusters are too narrow as well: they are expanded to what Student's t asks
    for (the expanded percentile interval of T. Hesterberg, arXiv 1411.5279); below ten it is the t-interval of
    the clusters' means.

    Args:
        values: by cluster, each at least one.
        seed: of the resampling; the same values and seed give the same interval.

    Raises:
        ValueError: no values.
    """
    import numpy as np

    if not values or not all(len(part) for part in values.values()):
        raise ValueError("the mean of no values was asked for")
    means = np.array([mean(part) for part in values.values()])
    centre, n = mean(means.tolist()), sum(map(len, values.values()))
    if len(means) < FEW:
        half = half_width(means.tolist())
        low, high = (None, None) if half is None else (centre - half, centre + half)
        return Pooled(centre, low, high, len(means), n)
    chosen = _resampled(len(means), seed)
    tails = NormalDist().cdf(-math.sqrt(len(means) / (len(means) - 1)) * quantile(len(means) - 1))
    low, high = np.quantile(means[chosen].mean(1), [tails, 1 - tails])
    return Pooled(centre, float(low), float(high), len(means), n)


@lru_cache(maxsize=8)
def _resampled(clusters: int, seed: int) -> NDArray[np.int64]:
    """Which clusters each of the resamples has, (RESAMPLES, clusters); the same for the same number and seed."""
    import numpy as np

    generator = np.random.Generator(np.random.PCG64(seed))
    return generator.integers(clusters, size=(RESAMPLES, clusters))


def wilcoxon(differences: Sequence[float]) -> float | None:
    """Two-sided p value of the exact signed-rank test; None where all differences are zero.

    Zeros are left out. n differences cannot give less than 2 / 2^n: five cannot reach 0.05.
    """
    from scipy.stats import wilcoxon as signed_rank

    nonzero = [value for value in differences if value]
    if not nonzero:
        return None
    return float(signed_rank(nonzero, method="exact" if len(nonzero) <= 50 else "auto").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment for testing several hypotheses at once, in the given order.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = worst
    return adjusted


def can_reach(n: int, comparisons: int = 1) -> bool:
    """Whether the signed-rank test of n differences can fall below 0.05 at all among so many comparisons.

    Example:
        >>> can_reach(5), can_reach(6), can_reach(6, comparisons=2)
        (False, True, False)
    """
    return 2 * comparisons / 2**n < 1 - LEVEL


def seeds_needed(differences: Sequence[float], effect: float = 0.01) -> int | None:
    """Seeds with which a paired t-test finds a difference of `effect` in 80 % of cases, from the spread seen.

    Args:
        differences: one a seed, at least two; fewer tell no spread and give None.
        effect: in the unit of the differences; 0.01 is one point.

    Returns:
        The least n, at least 2; None where the spread is unknown or it would be more than 10,000.
    """
    from scipy.stats import nct

    if len(differences) < 2:
        return None
    centre = mean(differences)
    spread = math.sqrt(math.fsum((d - centre) ** 2 for d in differences) / (len(differences) - 1))
    if spread == 0:
        return 2

    def power(n: int) -> float:
        edge, shift = quantile(n - 1), effect / spread * math.sqrt(n)
        return float(nct.sf(edge, n - 1, shift) + nct.cdf(-edge, n - 1, shift))

    low, high = 1, 2
    while power(high) < POWER:
        low, high = high, 2 * high
        if low > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high if high <= MOST_SEEDS else None


def ranks(cell: Mapping[Name, float]) -> dict[Name, float]:
    """Each member's rank by score, the highest is 1; ties share the mean of their ranks.

    Example:
        >>> ranks({"a": 0.5, "b": 0.9, "c": 0.5})
        {'a': 2.5, 'b': 1.0, 'c': 2.5}
    """
    ascending = sorted(cell.values())
    return {
        name: len(ascending) - (bisect_left(ascending, score) + bisect_right(ascending, score) - 1) / 2
        for name, score in cell.items()
    }


def average_ranks(cells: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each method's mean rank over the cells that all of them have, best first; ties share the mean of their ranks.

    Args:
        cells: score by method, higher is better; all with the same methods.

    Raises:
        ValueError: no cells, or cells with other methods than the first.

    Example:
        >>> average_ranks([{"a": 0.9, "b": 0.5}, {"a": 0.7, "b": 0.7}])
        {'a': 1.25, 'b': 1.75}
    """
    if not cells or any(cell.keys() != cells[0].keys() for cell in cells):
        raise ValueError("ranks need at least one cell, and the same methods in each")
    by_cell = [ranks(cell) for cell in cells]
    found = {name: mean([found[name] for found in by_cell]) for name in cells[0]}
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def friedman(cells: Sequence[Mapping[str, float]]) -> float | None:
    """The p value of Friedman's test that all methods score alike, by the F of Iman and Davenport (Demsar, JMLR 7,
    2006, section 3.2.2).

    Args:
        cells: score by method, all with the same methods.

    Returns:
        None for fewer than three methods or two cells, or where all scores of every cell are equal.

    Example:
        >>> round(friedman([{"a": 0.3, "b": 0.2, "c": 0.1}, {"a": 0.6, "b": 0.4, "c": 0.5}]), 3)
        0.25
    """
    from scipy.special import fdtrc

    count, methods = len(cells), len(cells[0]) if cells else 0
    if count < 2 or methods < 3:
        return None
    found = [list(ranks(cell).values()) for cell in cells]
    spread = math.fsum((rank - (methods + 1) / 2) ** 2 for line in found for rank in line)
    if not spread:
        return None
    sums = average_ranks(cells).values()
    chi = (methods - 1) * count**2 * math.fsum((rank - (methods + 1) / 2) ** 2 for rank in sums) / spread
    rest = count * (methods - 1) - chi
    if rest <= 1e-12 * chi:
        return 0.0
    return float(fdtrc(methods - 1, (methods - 1) * (count - 1), (count - 1) * chi / rest))


def cliques(ranks: Mapping[str, float], apart: float) -> list[tuple[str, ...]]:
    """Which methods are not told apart: the largest sets whose average ranks lie within the critical difference.

    Args:
        ranks: average ranks, the best first.
        apart: the critical difference.

    Returns:
        Sets of at least two, each in order; none lies within another.

    Example:
        >>> cliques({"a": 1.0, "b": 1.8, "c": 2.4, "d": 4.0}, 1.0)
        [('a', 'b'), ('b', 'c')]
    """
    names = list(ranks)
    found: list[tuple[str, ...]] = []
    for start, first in enumerate(names):
        members = tuple(name for name in names[start:] if ranks[name] - ranks[first] <= apart)
        if len(members) > 1 and not (found and members[-1] == found[-1][-1]):
            found.append(members)
    return found


def critical_difference(methods: int, cells: int) -> float:
    """How far two average ranks must lie apart to differ at 5 % (Nemenyi; Demsar, JMLR 7, 2006, section 3.2.2).

    q x sqrt(k (k + 1) / (6 N)) for k methods over N cells; q is the studentised range over sqrt 2.

    Example:
        >>> round(critical_difference(4, 14), 2)
        1.25
    """
    q = _largest_range(methods) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * cells))


@lru_cache
def _largest_range(count: int) -> float:
    """What the range of so many standard normal values stays below in 95 of 100 cases, to 12 digits.

    The studentized range at infinite degrees of freedom, which scipy.stats has, too, and takes long to import.
    """
    import numpy as np
    from scipy.special import ndtr

    largest, step = np.linspace(-9, 9, 3601, retstep=True)
    density = np.exp(-(largest**2) / 2) / math.sqrt(2 * math.pi)
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        within = count * step * float((density * (ndtr(largest) - ndtr(largest - middle)) ** (count - 1)).sum())
        low, high = (middle, high) if within < LEVEL else (low, middle)
    return float(f"{high:.12g}")
