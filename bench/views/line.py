"""Errors on the line between two trainings of a ticket, as a table with its barriers and as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.boards.render import label, setting_of
from bench.boards.result import Result
from bench.boards.svg import COLOURS, INK, SOFT, drawn, plain
from bench.numbers.aligned import show as print_table
from bench.numbers.amounts import percent
from bench.numbers.stats import Estimate, estimate
from tickets.training.between import barrier, places

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.records.record import Record


@dataclass(frozen=True)
class Line:
    """What was found on one line.

    Args:
        about: which ticket, trained how and on what; the same for all seeds.
        seed: of ticket and training.
        metric: whose complement the errors are.
        errors: on test, at points from one end to the other.
        recorded: the error that the record tells, of the first end.
    """

    about: str
    seed: int
    metric: str
    errors: Sequence[float]
    recorded: float

    @classmethod
    def of(cls, found: Record, errors: Sequence[float]) -> Line:
        """The line of a record."""
        result, scores = Result.of(found), found.scored
        told = [label(result.key), percent(result.key.sparsity), f"on {result.place.task}", *setting_of(result.place)]
        return cls(", ".join(told), result.seed, scores.primary, errors, 1 - scores.score)

    @property
    def barrier(self) -> float:
        """The highest error above the mean of both ends."""
        return barrier(self.errors)


def show(lines: Iterable[Line]) -> None:
    """Print the ends, the middle and the barrier of every line, and the mean barrier of those that differ by seed."""
    groups = _grouped(lines)
    for about, members in groups.items():
        rows = [
            [f"seed {one.seed}", *(_points(error) for error in (*_shown(one.errors), max(one.errors), one.barrier))]
            for one in members
        ]
        header = ["", "first end", "middle", "second end", "highest", "barrier"]
        print_table(f"Test error, 1 - {members[0].metric}, in points: {about}", header, rows)
        print(f"  barrier: {_interval(estimate([one.barrier for one in members]))}")
        for one in members:
            if one.errors[0] != one.recorded:
                print(
                    f"  note: the first end of seed {one.seed} has another error than its record, "
                    f"{_points(one.recorded)}; it was measured on another processor or by other versions"
                )


def _grouped(lines: Iterable[Line]) -> dict[str, list[Line]]:
    """Those that differ in nothing but the seed, by what they are about."""
    found: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: (line.about, line.seed)):
        found.setdefault(line.about, []).append(line)
    return found


def _shown(errors: Sequence[float]) -> tuple[float, float, float]:
    return errors[0], errors[len(errors) // 2], errors[-1]


def _points(error: float) -> str:
    return f"{100 * error:.1f}"


def _interval(found: Estimate) -> str:
    """A mean over seeds and its 95 % t-interval, in points."""
    if found.half is None:
        return f"{100 * found.mean:+.1f} points, of one seed"
    return f"{100 * found.mean:+.1f} ±{100 * found.half:.1f} points, {found.n} seeds"


def to_svg(lines: Iterable[Line]) -> str:
    """The errors over the place on the line: a thin line a seed, a strong one for their mean.

    Raises:
        UserError: matplotlib is not installed.
    """
    groups = _grouped(lines)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, (about, members) in enumerate(groups.items()):
            colour = COLOURS[number % len(COLOURS)]
            at = places(len(members[0].errors))
            for one in members:
                axes.plot(at, one.errors, color=colour, linewidth=0.8, alpha=0.5)
            means = [sum(errors) / len(members) for errors in zip(*(one.errors for one in members), strict=True)]
            told = f"{about}: barrier {_interval(estimate([one.barrier for one in members]))}"
            axes.plot(at, means, color=colour, linewidth=2, marker="o", markersize=4, label=plain(told))
        axes.set_xlabel("place on the line between two trainings of one ticket", color=INK)
        axes.set_ylabel(f"test error, 1 - {next(iter(groups.values()))[0].metric}", color=INK)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
        axes.tick_params(color=SOFT, labelcolor=INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.grid(axis="y", color="#dde1e6", linewidth=0.8)
        figure.legend(loc="outside upper left", frameon=False, fontsize=8)

    return drawn((7, 4.2), draw, f"errors between trainings: {'; '.join(groups)}")
