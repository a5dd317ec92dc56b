"""What `bench.speed` measured: each row as it comes, then a table for people and plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.numbers import aligned
from bench.numbers.amounts import MISSING
from bench.speed.roof import Roof
from bench.speed.timing import Spread, Taken, Times, ratio, spread

HEADER = ("ms", "images/s", "speed-up", "10 % to 90 %", "of the roof", "peak MiB", "file MB")
LEAST_WIDTH, LABEL = 8, 18


@dataclass
class Part:
    """The variants of one kind that were timed together.

    Args:
        title: what each of them does.
        images: of one call.
        roof: what the machine did at best meanwhile.
        times: seconds a call by variant and round; the speed-up is over the first variant.
        macs: that one call computes, by variant, where they can be counted.
        peaks_mib: peak memory by variant, where it was measured.
        file_mb: size of the file that a variant runs, where it runs one.
        notes: sentences about what is missing, and about what was chosen.
        unit: what a call makes so many of, where that is no batch of images.
    """

    title: str
    images: int
    roof: Roof
    times: Times
    macs: Mapping[str, int] = field(default_factory=dict)
    peaks_mib: Mapping[str, float] = field(default_factory=dict)
    file_mb: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    unit: str = "images"

    def ratio(self, over: str, under: str) -> Spread:
        """Time of one variant over that of another, by rounds."""
        return ratio(self.times, over, under)

    def rows(self) -> list[list[str]]:
        """One line of cells a variant, under `HEADER`."""
        return [[name, *self._cells(name)] for name in self.times]

    def _cells(self, name: str) -> list[str]:
        first = next(iter(self.times))
        seconds, faster = spread(self.times[name]).median, self.ratio(first, name)
        return [
            digits(seconds * 1000),
            digits(self.images / seconds),
            f"{faster.median:.2f}x",
            MISSING if name == first else f"{faster.low:.2f} to {faster.high:.2f}",
            f"{self.roof.share(self.macs[name], self.times[name]):.0%}" if name in self.macs else MISSING,
            f"{self.peaks_mib[name]:,.0f}" if name in self.peaks_mib else MISSING,
            digits(self.file_mb[name]) if name in self.file_mb else MISSING,
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything that was measured, in plain values."""
        values = asdict(self)
        del values["title"]
        values["seconds"] = values.pop("times")
        return {**values, "summary": {name: self._summary(name) for name in self.times}}

    def _summary(self, name: str) -> dict[str, Any]:
        return {
            "seconds": asdict(spread(self.times[name])),
            "speed_up": asdict(self.ratio(next(iter(self.times)), name)),
            "of_roof": self.roof.share(self.macs[name], self.times[name]) if name in self.macs else None,
        }


def digits(value: float) -> str:
    """A number with three digits or, above a thousand, all that stand before the point.

    Example:
        >>> digits(3.14159), digits(42.42), digits(1234.5)
        ('3.14', '42.4', '1,234')
    """
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def show(part: Part) -> None:
    """Print a part's table, without the columns that none of its variants fills, and its notes."""
    title = f"{part.title}, batch {part.images}" if part.unit == "images" else part.title
    table = [[title, *(name.replace("images", part.unit) for name in HEADER)], *part.rows()]
    full = [column for column in zip(*table, strict=True) if not set(column[1:]) <= {MISSING}]
    header, *rows = zip(*full, strict=True)
    aligned.show("", header, rows)
    for note in (part.roof, *part.notes):
        print(f"  {note}")


class Live:
    """A table that grows while it is measured: a column a variant, a row a round, each cell printed as it comes.

    Args:
        title: what is measured, with its unit.
        names: of the variants.
    """

    def __init__(self, title: str, names: Iterable[str]) -> None:
        self.widths = {name: max(LEAST_WIDTH, len(name)) for name in names}
        header = "".join(f"  {name:>{width}}" for name, width in self.widths.items())
        print(f"\n{title:<{LABEL}}{header}", flush=True)

    def begin(self, label: str) -> None:
        """Begin a row."""
        print(f"{label:<{LABEL}}", end="", flush=True)

    def cell(self, name: str, text: str) -> None:
        """Fill the next cell; the last one ends the row."""
        is_last = name == next(reversed(self.widths))
        print(f"  {text:>{self.widths[name]}}", end="\n" if is_last else "", flush=True)

    def rounds(self, measured: Iterable[Taken], count: int) -> Iterator[Taken]:
        """Hand rounds of timings on, each told when it is there."""
        number = None
        for taken in measured:
            if taken.round != number:
                number = taken.round
                self.begin("warm-up" if number < 1 else f"round {number} of {count}")
            self.cell(taken.name, digits(taken.seconds * 1000))
            yield taken
