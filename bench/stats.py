"""Means over seeds, their 95 % t-intervals, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEVEL = 0.95


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
