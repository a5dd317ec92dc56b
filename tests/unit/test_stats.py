"""bench.stats against scipy and by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bench import stats
from bench.stats import Estimate


def samples() -> list[list[float]]:
    generator = random.Random(3)
    return [[generator.gauss(0.6, 0.05) for _ in range(n)] for n in (2, 3, 5, 10, 40)]


@pytest.mark.parametrize("values", samples(), ids=len)
def test_the_interval_is_scipys(values: list[float]) -> None:
    from scipy import stats as oracle

    low, high = oracle.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=oracle.sem(values))
    found = stats.estimate(values)
    assert found.mean == pytest.approx((low + high) / 2, rel=1e-12)
    assert found.half == pytest.approx((high - low) / 2, rel=1e-10)
    assert found.n == len(values)


@pytest.mark.parametrize("values", samples(), ids=len)
def test_the_paired_difference_is_scipys(values: list[float]) -> None:
    from scipy import stats as oracle

    left = dict(enumerate(values))
    right = {seed: value - 0.01 * (seed % 3) for seed, value in left.items()}
    if len(values) == 2:
        right[1] += 0.02
    interval = oracle.ttest_rel(list(left.values()), list(right.values())).confidence_interval(0.95)
    found = stats.paired(left, right)
    assert found.mean - found.half == pytest.approx(interval.low, abs=1e-12)
    assert found.mean + found.half == pytest.approx(interval.high, abs=1e-12)


def test_two_values_by_hand() -> None:
    found = stats.estimate([0.5, 0.7])
    assert found.mean == pytest.approx(0.6)
    assert found.half == pytest.approx(12.7062047364 * 0.1)


def test_one_value_has_no_interval_and_decides_nothing() -> None:
    assert stats.estimate([0.5]) == Estimate(0.5, None, 1)
    assert not stats.estimate([0.5]).is_decided


def test_equal_values_have_an_interval_of_zero() -> None:
    assert stats.estimate([0.25, 0.25, 0.25]) == Estimate(0.25, 0.0, 3)


@pytest.mark.parametrize(
    ("mean", "half", "is_decided"), [(0.1, 0.05, True), (-0.1, 0.05, True), (0.1, 0.1, False)]
)
def test_a_difference_is_decided_when_its_interval_leaves_out_zero(
    mean: float, half: float, is_decided: bool
) -> None:
    assert Estimate(mean, half, 3).is_decided is is_decided


def test_the_order_of_the_values_does_not_matter() -> None:
    values = samples()[-1]
    assert stats.estimate(values) == stats.estimate(sorted(values)) == stats.estimate(values[::-1])


def test_no_values_are_an_error() -> None:
    with pytest.raises(ValueError, match="mean of no values"):
        stats.estimate([])


def test_pairs_are_made_by_seed() -> None:
    assert stats.paired({0: 0.5, 7: 1.0}, {7: 0.5, 0: 0.25}) == stats.estimate([0.25, 0.5])
    assert stats.paired({0: 0.5}, {1: 0.5}) is None


def test_a_ratio_without_a_base_is_none() -> None:
    assert stats.ratio({0: 0.5}, {}) is None
    assert stats.ratio({0: 0.5}, {0: 0.0}) is None
    assert stats.ratio({0: 0.5, 1: 0.1}, {0: 0.25}) == 2.0
