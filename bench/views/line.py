"""Errors on the line between two trainings of a ticket, as a table with its barriers and as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.boards.facts import RULES, metric
from bench.boards.figures import axes
from bench.boards.figures.canvas import SMALL, Figure, to_bytes, wrapped
from bench.boards.look import COLOURS
from bench.boards.result import Result
from bench.boards.words import label, setting_of
from bench.numbers.aligned import show as print_table
from bench.numbers.amounts import percent
from bench.numbers.stats import Estimate, estimate
from tickets.training.between import barrier, places

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

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
        day: on which the record was written.
        rule: of its budget.
    """

    about: str
    seed: int
    metric: str
    errors: Sequence[float]
    recorded: float
    day: str = ""
    rule: str = ""

    @classmethod
    def of(cls, found: Record, errors: Sequence[float]) -> Line:
        """The line of a record."""
        result, scores = Result.of(found), found.scored
        told = [label(result.key), percent(result.key.sparsity), f"on {result.place.task}", *setting_of(result.place)]
        rule = RULES.get(result.place.equal, result.place.equal)
        return cls(", ".join(told), result.seed, scores.primary, errors, 1 - scores.score, result.created[:10], rule)

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
    members = [one for group in groups.values() for one in group]
    counts = sorted({len(group) for group in groups.values()})
    days = max((one.day for one in members), default="") or "an unknown day"
    rules = sorted({one.rule for one in members if one.rule}) or ["as the ticket's"]
    figure = Figure(
        name="line",
        slug="between",
        title="Test error on the line between two trainings of one ticket",
        facts=f"n = {' to '.join(map(str, sorted({counts[0], counts[-1]})))} seeds; thin: one seed, strong: the mean; "
        f"budgets: {', '.join(rules)}; records up to {days}.",
        size=(7.2, 4.4 + 0.3 * len(groups)),
        draw=lambda drawn: _draw(drawn, groups),
        shown=[(one.about, one.seed, tuple(one.errors)) for one in members],
    )
    return to_bytes(figure).decode()


def _draw(drawn: Drawing, groups: Mapping[str, Sequence[Line]]) -> None:
    panel = drawn.subplots()
    for number, (about, members) in enumerate(groups.items()):
        colour = list(COLOURS.values())[number % len(COLOURS)][0]
        at = places(len(members[0].errors))
        for one in members:
            panel.plot(at, one.errors, color=colour, linewidth=0.8, alpha=0.5)
        means = [sum(errors) / len(members) for errors in zip(*(one.errors for one in members), strict=True)]
        told = f"{about}: barrier {_interval(estimate([one.barrier for one in members]))}"
        panel.plot(at, means, color=colour, linewidth=2, marker="o", markersize=4, label=wrapped(told, 6.4, SMALL))
    shown = [Estimate(error, None, 1) for members in groups.values() for one in members for error in one.errors]
    axes.scores([panel], [*shown, Estimate(0.0, None, 1)], f"1 - {metric(next(iter(groups.values()))[0].metric)}")
    panel.set_xlabel("place on the line")
    panel.legend(loc="lower left", bbox_to_anchor=(0, 1.02), frameon=False, fontsize=SMALL, borderpad=0)
