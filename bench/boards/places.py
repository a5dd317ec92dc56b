"""The places that a contender may have: what a rank means where intervals overlap. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.boards.leaderboard import Board, Row
from bench.boards.result import Key
from bench.numbers import stats


@dataclass(frozen=True)
class Places:
    """Between which places the seeds leave a row, among the contenders of its board and sparsity.

    Args:
        best: 1 and one for every contender that is told to be better.
        worst: all contenders but those that are told to be worse.
    """

    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}\u2009\u2013\u2009{self.worst}"


def places(board: Board) -> dict[Key, Places]:
    """The places of every row of a board that has a rank.

    One contender is told from another where the paired 95 % interval of their difference over the seeds that both have
    leaves out zero; with one seed nobody is told from anybody.
    """
    rivals: dict[float, list[Row]] = {}
    for row in board.rows:
        if row.rank is not None:
            rivals.setdefault(row.key.sparsity, []).append(row)
    return {key: found for group in rivals.values() for key, found in _among(group).items()}


def _among(rows: Sequence[Row]) -> dict[Key, Places]:
    scores = [row.by_seed for row in rows]
    better, worse = [0] * len(rows), [0] * len(rows)
    for one in range(len(rows)):
        for other in range(one + 1, len(rows)):
            difference = stats.paired(scores[one], scores[other])
            if difference is None or not difference.is_decided:
                continue
            first, second = (one, other) if difference.mean > 0 else (other, one)
            better[second] += 1
            worse[first] += 1
    return {row.key: Places(1 + more, len(rows) - less) for row, more, less in zip(rows, better, worse, strict=True)}
