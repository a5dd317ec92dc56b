"""Numbers as people read them: where one unit ends and the next begins."""

import pytest

from bench.numbers import amounts


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (99.4, "99 s"), (99.6, "1.7 min"), (5969, "99.5 min"), (5971, "1.7 h"), (None, "–")],  # noqa: RUF001
)
def test_durations(seconds: float | None, text: str) -> None:
    assert amounts.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (7, "k", "0.01k"),
        (9_994, "k", "9.99k"),
        (9_996, "k", "10.0k"),
        (99_960, "k", "100k"),
        (13_243_868, "k", "13.2M"),
        (61_836_632_064, "M", "61.8G"),
        (999_499_999_999, "M", "999G"),
        (999_500_000_000, "M", "1.00T"),
        (5 * 10**21, "M", "5000E"),
    ],
)
def test_counts(value: int, unit: str, text: str) -> None:
    assert amounts.counted(value, unit) == text
