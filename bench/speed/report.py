"""What `bench.speed` measured, as a table for people and as plain values."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

from bench.numbers.amounts import MISSING
from bench.speed.timing import Spread, Times, ratio, spread

COLUMNS = ("", "ms", "images/s", "peak MiB", "speed-up", "10 % to 90 %")
GAP = "  "


@dataclass(frozen=True)
class Part:
    """The variants of one kind that were timed together.

    Args:
        title: what each of them does.
        images: of one call.
        times: seconds a call by variant and round; the speed-up is over the first variant.
        peaks_mib: peak memory by variant, where it was measured.
        notes: sentences about what is missing.
    """

    title: str
    images: int
    times: Times
    peaks_mib: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def ratio(self, over: str, under: str) -> Spread:
        """Time of one variant over that of another, by rounds."""
        return ratio(self.times, over, under)

    def rows(self) -> list[tuple[str, ...]]:
        """One line of cells a variant, under `COLUMNS`."""
        first = next(iter(self.times))
        found: list[tuple[str, ...]] = []
        for name, taken in self.times.items():
            seconds, faster = spread(taken).median, self.ratio(first, name)
            peak = f"{self.peaks_mib[name]:,.0f}" if name in self.peaks_mib else MISSING
            between = MISSING if name == first else f"{faster.low:.2f} to {faster.high:.2f}"
            found.append(
                (name, digits(seconds * 1000), digits(self.images / seconds), peak, f"{faster.median:.2f}x", between)
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """Everything that was measured, in plain values."""
        first = next(iter(self.times))
        summary = {
            name: {"seconds": asdict(spread(taken)), "speed_up": asdict(self.ratio(first, name))}
            for name, taken in self.times.items()
        }
        return {
            "images": self.images, "seconds": self.times, "peaks_mib": dict(self.peaks_mib), "summary": summary,
            "notes": list(self.notes),
        }  # fmt: skip


def digits(value: float) -> str:
    """A number with three digits or, above a thousand, all that stand before the point.

    Example:
        >>> digits(3.14159), digits(42.42), digits(1234.5)
        ('3.14', '42.4', '1,234')
    """
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def upkeep(part: Part, masked: str, dense: str) -> Spread:
    """What masks cost: the share of a dense step that a masked one takes longer, by rounds."""
    found = part.ratio(masked, dense)
    return Spread(found.median - 1, found.low - 1, found.high - 1)


def show(parts: Sequence[Part], heading: str, lines: Sequence[str], file: TextIO | None = None) -> None:
    """Print the tables and the lines under them: rich in a terminal, aligned text when piped.

    Args:
        parts: one table each.
        heading: what they have in common.
        lines: what follows from them.
        file: where to; default standard output.
    """
    file = file or sys.stdout
    if file.isatty():
        from rich.console import Console

        Console(file=file, highlight=False).print(_rich(parts, heading, lines))
    else:
        file.write("\n".join(_plain(parts, heading, lines)) + "\n")


def _titled(part: Part) -> tuple[str, ...]:
    return (f"{part.title}, batch {part.images}", *COLUMNS[1:])


def _plain(parts: Sequence[Part], heading: str, lines: Sequence[str]) -> list[str]:
    tables = [[_titled(part), *part.rows()] for part in parts]
    widths = [max(map(len, cells)) for cells in zip(*(row for table in tables for row in table), strict=True)]
    text = [heading]
    for part, table in zip(parts, tables, strict=True):
        text.append("")
        for name, *cells in table:
            numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
            text.append(GAP.join([name.ljust(widths[0]), *numbers]))
        text += part.notes
    return [*text, "", *lines] if lines else text


def _rich(parts: Sequence[Part], heading: str, lines: Sequence[str]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown: list[Any] = [Text(heading, style="bold")]
    for part in parts:
        table = Table(box=None, padding=(0, len(GAP), 0, 0), pad_edge=False, header_style="dim")
        for place, title in enumerate(_titled(part)):
            table.add_column(title, justify="right" if place else "left", no_wrap=True)
        for row in part.rows():
            table.add_row(*map(Text, row))
        shown += [Text(), table, *(Text(note, style="yellow") for note in part.notes)]
    styles = {"met": "green", "missed": "red"}
    return Group(*shown, Text(), *(Text(line, style=styles.get(line.split()[0], "")) for line in lines))
