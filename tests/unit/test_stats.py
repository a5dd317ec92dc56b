"""bench.numbers.stats against scipy and by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bench.numbers import stats
from bench.numbers.stats import Estimate


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


@pytest.mark.parametrize(("mean", "half", "is_decided"), [(0.1, 0.05, True), (-0.1, 0.05, True), (0.1, 0.1, False)])
def test_a_difference_is_decided_when_its_interval_leaves_out_zero(mean: float, half: float, is_decided: bool) -> None:
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


@pytest.mark.parametrize("n", [3, 5])
def test_the_t_interval_covers_the_truth_in_95_percent_of_2000_trials(n: int) -> None:
    generator = np.random.Generator(np.random.PCG64(7))
    trials = generator.normal(0.02, 0.03, (2000, n))
    found = [stats.paired(dict(enumerate(trial)), dict.fromkeys(range(n), 0.0)) for trial in trials.tolist()]
    assert 0.93 <= np.mean([abs(e.mean - 0.02) <= e.half for e in found]) <= 0.97


def test_a_bootstrap_by_ticket_covers_where_the_naive_one_does_not() -> None:
    """Twenty tickets on three targets each: what a ticket is worth varies more than what targets make of it."""
    generator = np.random.Generator(np.random.PCG64(1))
    by_ticket, one_by_one = [], []
    for _ in range(600):
        worth = generator.normal(0.05, 0.04, 20)
        cells = (worth[:, None] + generator.normal(0, 0.01, (20, 3))).tolist()
        own = stats.clustered({t: cells[t] for t in range(20)})
        flat = stats.clustered({(t, c): [cells[t][c]] for t in range(20) for c in range(3)})
        by_ticket.append(own.low <= 0.05 <= own.high)
        one_by_one.append(flat.low <= 0.05 <= flat.high)
        assert own.mean == pytest.approx(flat.mean) and (own.clusters, own.n, flat.clusters) == (20, 60, 60)
    assert 0.93 <= np.mean(by_ticket) <= 0.97 and np.mean(one_by_one) < 0.8


def test_a_pooled_mean_by_hand_and_the_same_for_the_same_seed() -> None:
    values = {"a": [0.1, 0.3], "b": [0.6]}
    found = stats.clustered(values)
    assert found.mean == pytest.approx(0.4) and found == stats.clustered(values)
    assert found.high - found.mean == pytest.approx(stats.half_width([0.2, 0.6])) and not found.is_decided
    assert stats.clustered({"a": [0.2, 0.2]}) == stats.Pooled(0.2, None, None, 1, 2)
    many = stats.clustered({i: [0.1 + 0.001 * i] for i in range(12)})
    assert 0.1 < many.low < many.mean < many.high < 0.112 and many.is_decided
    with pytest.raises(ValueError, match="no values"):
        stats.clustered({})


@pytest.mark.parametrize("n", [5, 6, 9])
def test_the_signed_rank_test_is_scipys_and_cannot_fall_below_its_floor(n: int) -> None:
    from scipy import stats as oracle

    differences = [0.01 * (i + 1) * (-1) ** (i == 2) for i in range(n)]
    assert stats.wilcoxon([*differences, 0.0]) == oracle.wilcoxon(differences, method="exact").pvalue
    least = stats.wilcoxon([0.01 * (i + 1) for i in range(n)])
    assert least == pytest.approx(2 / 2**n) and stats.can_reach(n) == (least < 0.05)
    assert stats.wilcoxon([0.0, 0.0]) is None


def test_holm_by_hand() -> None:
    """Sorted 0.005, 0.01, 0.03, 0.04 x 4, 3, 2, 1 = 0.02, 0.03, 0.06, 0.04; never falling."""
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([]) == [] and stats.holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_number_of_seeds_gives_the_power_it_promises() -> None:
    """With that many seeds a simulation finds one point in 80 % of cases; with fewer it does not."""
    needed = stats.seeds_needed([-0.01, 0.0, 0.01, 0.02, -0.02])
    spread = np.std([-0.01, 0.0, 0.01, 0.02, -0.02], ddof=1)
    generator = np.random.Generator(np.random.PCG64(5))

    def found(n: int) -> float:
        trials = generator.normal(0.01, spread, (2000, n)).tolist()
        return np.mean([stats.estimate(trial).is_decided for trial in trials])

    assert found(needed) == pytest.approx(0.8, abs=0.03) and found(needed - 4) < 0.8
    assert stats.seeds_needed([0.1]) is None and stats.seeds_needed([0.1, 0.1]) == 2
    assert stats.seeds_needed([-9.0, 9.0]) is None


def test_ranks_are_scipys_and_need_whole_cells() -> None:
    from scipy.stats import rankdata

    cells = [{"a": 0.5, "b": 0.7, "c": 0.7}, {"a": 0.9, "b": 0.1, "c": 0.3}, {"a": 0.2, "b": 0.2, "c": 0.2}]
    ranks = np.mean([rankdata([-cell[name] for name in "abc"]) for cell in cells], 0)
    assert stats.average_ranks(cells) == dict(sorted(zip("abc", ranks, strict=True), key=lambda pair: pair[1]))
    with pytest.raises(ValueError, match="the same methods in each"):
        stats.average_ranks([{"a": 1.0}, {"b": 1.0}])


def test_critical_differences_are_the_published_ones() -> None:
    """q of Nemenyi's test at 5 % (Demsar 2006, table 5a): 1.960, 2.343, 2.569, 2.728 for two to five methods."""
    for methods, q in ((2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728)):
        wanted = q * (methods * (methods + 1) / 60) ** 0.5
        assert stats.critical_difference(methods, 10) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("methods", [2, 3, 10, 40])
def test_the_range_of_normal_values_is_scipys(methods: int) -> None:
    from scipy.stats import studentized_range

    wanted = studentized_range.ppf(0.95, methods, np.inf) / np.sqrt(2) * np.sqrt(methods * (methods + 1) / 60)
    assert stats.critical_difference(methods, 10) == pytest.approx(wanted, rel=1e-10)
