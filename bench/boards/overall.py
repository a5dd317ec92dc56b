"""Boards of several targets -> methods compared over all of them. Pure.

Tickets of one source, at equal scale, host, budget and way of computing, on every target that most of their methods
were transferred to. A method that lacks one of these targets has neither a mean nor a rank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bench.boards.leaderboard import Board, Row
from bench.boards.result import Key
from bench.numbers import stats

LEAST_TARGETS = 2
"""With one target there is nothing to average."""

MAJORITY = 0.5
"""Share of the methods that must stand on a target for it to be compared; so no lone newcomer empties a board."""


@dataclass(frozen=True)
class Line:
    """One method over all targets.

    Args:
        key: of the method's rows, its target None.
        rows: its row on each target, in the order of `Overall.boards`.
        ranks: its rank on each, among the complete methods of its sparsity; ties share the mean of their ranks.
        average_rank: mean of these.
        of_dense: mean share of the dense reference's score; None where a target has no such reference.
        rank: place by average rank at its sparsity, from 1; then by share.
    """

    key: Key
    rows: tuple[Row, ...]
    ranks: tuple[float, ...]
    average_rank: float
    of_dense: float | None
    rank: int


@dataclass(frozen=True)
class Overall:
    """All methods whose tickets were drawn on one source.

    Args:
        source: that task.
        boards: the targets' boards, by name of the target.
        lines: by sparsity, the best first.
        incomplete: the other methods' keys (target None), with the targets that they lack.
    """

    source: str
    boards: tuple[Board, ...]
    lines: tuple[Line, ...]
    incomplete: tuple[tuple[Key, tuple[str, ...]], ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return tuple(board.place.task for board in self.boards)


def over_targets(boards: Iterable[Board]) -> tuple[Overall, ...]:
    """One overall board for each source and setting with at least two targets, in the order of their names.

    Of several boards of one target (its data changed) the one with the newest record counts.
    """
    settings: dict[tuple[str, str, float, str, str], dict[str, Board]] = defaultdict(dict)
    for board in sorted((b for b in boards if b.place.kind == "transfer" and b.rows), key=newest):
        place = board.place
        settings[place.scale, place.host, place.budget, place.equal, place.compute][place.task] = board
    found = []
    for _, by_task in sorted(settings.items()):
        members = [by_task[task] for task in sorted(by_task)]
        sources = {row.key.source for board in members for row in board.rows if row.rank is not None}
        found += [_overall(source, members) for source in sorted(one for one in sources if one is not None)]
    return tuple(overall for overall in found if overall is not None)


def newest(board: Board) -> tuple[str, str]:
    """The time of a board's newest record; its data decide between equal ones."""
    return max(result.when for row in board.rows for result in row.results), board.place.data


def _overall(source: str, boards: Sequence[Board]) -> Overall | None:
    """The overall board of one source, or None where too few targets are shared."""
    rows: dict[Key, dict[str, Row]] = defaultdict(dict)
    for board in boards:
        for row in board.rows:
            if row.rank is not None and row.key.source == source:
                rows[replace(row.key, target=None)][board.place.task] = row
    needed = MAJORITY * len(rows)
    compared = [b for b in boards if sum(b.place.task in by_task for by_task in rows.values()) >= needed]
    if len(compared) < LEAST_TARGETS:
        return None
    targets = [board.place.task for board in compared]
    whole = {key: tuple(by_task[t] for t in targets) for key, by_task in rows.items() if by_task.keys() >= set(targets)}
    lacking = {key: tuple(t for t in targets if t not in rows[key]) for key in rows if key not in whole}
    if not whole:
        return None
    return Overall(
        source=source,
        boards=tuple(compared),
        lines=tuple(_lines(whole)),
        incomplete=tuple(sorted(lacking.items(), key=lambda item: item[0].name)),
    )


def _lines(whole: dict[Key, tuple[Row, ...]]) -> list[Line]:
    """The lines of complete methods, each sparsity ranked apart."""
    lines: list[Line] = []
    for sparsity in sorted({key.sparsity for key in whole}):
        rivals = {key: rows for key, rows in whole.items() if key.sparsity == sparsity}
        ranks = _ranks(rivals)
        unranked = [
            Line(key, rows, ranks[key], stats.mean(ranks[key]), _mean_share(rows), 0) for key, rows in rivals.items()
        ]
        unranked.sort(key=lambda line: (line.average_rank, -(line.of_dense or 0), line.key.name))
        lines += [replace(line, rank=place) for place, line in enumerate(unranked, 1)]
    return lines


def _ranks(rivals: dict[Key, tuple[Row, ...]]) -> dict[Key, tuple[float, ...]]:
    """Each method's rank on every target."""
    by_target = [
        stats.ranks({key: row.mean for key, row in zip(rivals, column, strict=True)})
        for column in zip(*rivals.values(), strict=True)
    ]
    return {key: tuple(ranks[key] for ranks in by_target) for key in rivals}


def _mean_share(rows: Sequence[Row]) -> float | None:
    shares = [row.of_dense for row in rows if row.of_dense is not None]
    return stats.mean(shares) if len(shares) == len(rows) else None
