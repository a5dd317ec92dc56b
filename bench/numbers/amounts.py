"""Numbers as people read them: percent, powers of a thousand, minutes. Files for machines keep every digit."""

from __future__ import annotations

from bench.numbers.stats import Estimate

MISSING = "–"  # noqa: RUF001  an en dash, which no number can be mistaken for


def percent(value: float | None) -> str:
    """A fraction as percent.

    Example:
        >>> percent(0.61249)
        '61.2%'
    """
    return MISSING if value is None else f"{100 * value:.1f}%"


def interval(value: Estimate | None) -> str:
    """A mean fraction with half the width of its interval, in percent.

    Example:
        >>> interval(Estimate(0.61249, 0.0131, 3))
        '61.2% ±1.3'
    """
    if value is None:
        return MISSING
    return percent(value.mean) + ("" if value.half is None else f" ±{100 * value.half:.1f}")


def points(value: Estimate | None) -> str:
    """A difference of fractions in signed percentage points.

    Example:
        >>> points(Estimate(-0.0213, None, 1))
        '-2.1'
    """
    if value is None:
        return MISSING
    return f"{100 * value.mean:+.1f}" + ("" if value.half is None else f" ±{100 * value.half:.1f}")


def counted(value: float | None, unit: str) -> str:
    """A count with three digits in `unit` ("k", "M") or the larger ones.

    Example:
        >>> counted(130_560, "k"), counted(2_422_799_760, "M"), counted(999_999, "k"), counted(0, "k")
        ('131k', '2.42G', '1.00M', '0')
    """
    if not value:
        return MISSING if value is None else "0"
    units = "kMGTPE"
    power = units.index(unit)
    while value >= 999.5 * 1000 ** (power + 1) and power + 1 < len(units):
        power += 1
    scaled = value / 1000 ** (power + 1)
    digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
    return f"{scaled:.{digits}f}{units[power]}"


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours, whichever reads best.

    Example:
        >>> duration(42.4), duration(192), duration(7000)
        ('42 s', '3.2 min', '1.9 h')
    """
    if seconds is None:
        return MISSING
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h"


def mib(size: int) -> str:
    """Bytes as MiB with one digit.

    Example:
        >>> mib(3 * 2**19)
        '1.5'
    """
    return f"{size / 2**20:,.1f}"
