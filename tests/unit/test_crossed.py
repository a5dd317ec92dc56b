"""Means over sources and seeds as two samples: by hand, against scipy, and how often their intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from bench.numbers import stats
from bench.numbers.crossed import Crossed, crossed

SAMPLES, SIZE = 1000, (3, 5)
SPREADS = [(0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 1, 1), (3, 1, 1), (1, 1, 0.2)]
"""Deviations of sources, seeds and the rest."""


def table(values: list[list[float]]) -> dict[tuple[str, int], float]:
    return {(f"task{i}", j): value for i, row in enumerate(values) for j, value in enumerate(row)}


def test_two_by_two_by_hand() -> None:
    """Rows 1 and 5, columns 2 and 4, nothing else: A = 16, B = 4, E = 0 and a variance of 20 / 4."""
    found = crossed(table([[0.0, 2.0], [4.0, 6.0]]))
    assert found is not None and (found.mean, found.rows, found.columns) == (3.0, 2, 2)
    assert found.error == pytest.approx(5**0.5)
    assert found.degrees == pytest.approx(20**2 / (16**2 + 4**2))


def test_sources_that_agree_are_as_sure_as_seeds_alone() -> None:
    """Every source says the same: what is left is the spread of seeds, with its degrees of freedom."""
    seeds = [0.1, 0.2, 0.4]
    found, alone = crossed(table([seeds] * 3)), stats.estimate(seeds)
    assert found is not None and alone.half is not None and found.degrees == pytest.approx(2)
    low, high = found.interval()
    assert (high - low) / 2 == pytest.approx(alone.half) and found.mean == pytest.approx(alone.mean)


def test_one_source_has_the_interval_over_seeds() -> None:
    found, alone = crossed(table([[0.1, 0.2, 0.4, 0.3]])), stats.estimate([0.1, 0.2, 0.4, 0.3])
    assert found is not None and (found.rows, found.degrees) == (1, 3)
    assert found.interval() == pytest.approx((alone.mean - alone.half, alone.mean + alone.half))


def test_seeds_that_not_all_sources_have_are_left_out() -> None:
    values = table([[0.0, 2.0], [4.0, 6.0]])
    assert crossed({**values, ("task0", 7): 99.0}) == crossed(values)
    assert crossed({("task0", 0): 1.0, ("task1", 1): 2.0}) is None
    assert crossed({}) is None


def test_p_is_where_the_interval_begins_to_hold_a_value() -> None:
    found = Crossed(0.5, 0.2, 2.3, 3, 5)
    assert found.interval(1 - found.p(0.0))[0] == pytest.approx(0.0, abs=1e-12)
    assert found.interval(1 - found.p(0.8))[1] == pytest.approx(0.8)
    assert Crossed(0.0, 0.0, 4, 1, 5).p() == 1.0 and Crossed(0.1, 0.0, 4, 1, 5).p() == 0.0


@pytest.mark.parametrize("spread", SPREADS, ids=str)
def test_its_interval_covers_the_mean_whatever_varies(spread: tuple[float, ...]) -> None:
    """1,000 normal samples of 3 sources and 5 seeds tell a coverage to within 1.5 points; the worst has 94 %."""
    random, (rows, columns), hits = np.random.Generator(np.random.PCG64(0)), SIZE, np.zeros(3)
    for _ in range(SAMPLES):
        parts = [random.standard_normal(shape) for shape in ((rows, 1), (1, columns), (rows, columns))]
        values = sum(scale * part for scale, part in zip(spread, parts, strict=True))
        found, alone = crossed(table(values.tolist())), stats.estimate(values.ravel().tolist())
        assert found is not None and alone.half is not None
        intervals = (
            found.interval(),
            found.interval(1 - 0.05 / 14),
            (alone.mean - alone.half, alone.mean + alone.half),
        )
        hits += [low <= 0 <= high for low, high in intervals]
    two, adjusted, independent = hits / SAMPLES
    assert two >= 0.925 and adjusted >= 0.99
    if max(spread[:2]) >= 1:
        assert independent < 0.85
