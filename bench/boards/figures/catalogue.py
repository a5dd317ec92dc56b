"""Which figures there are, and those of some boards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from bench.boards import look, words
from bench.boards.figures import ranks, retention, tradeoff, transfer
from bench.boards.figures.canvas import Figure
from bench.boards.leaderboard import Board
from bench.boards.look import Look

NAMES = {
    "tradeoff": "score against MACs, weights and measured latency, with the front and its uncertainty",
    "retention": "what sparsity leaves of the dense score, a line a method",
    "transfer": "a source x target map for every method",
    "difference": "the best method minus each other one, by source and target",
    "ranks": "average ranks on a target with their critical difference",
}
"""What each shows."""

OF_BOARD: dict[str, Callable[[Board, tuple[Board, ...], str, Mapping[str, Look]], Any]] = {
    "tradeoff": tradeoff.figure,
    "retention": retention.figure,
}
OF_SETTING: dict[str, Callable[[transfer.Setting], list[Figure]]] = {
    "transfer": transfer.scores,
    "difference": transfer.differences,
}


def figures(boards: Iterable[Board], names: Collection[str] = tuple(NAMES)) -> Iterator[Figure]:
    """All figures of some boards, in the order of `NAMES`; what a board has too little for is left out.

    Args:
        boards: of transfers and draws, all that are shown together.
        names: which of `NAMES`.
    """
    boards = tuple(boards)
    slugs = words.slugs(boards)
    looks = look.looks(row.key.method for board in boards for row in board.rows)
    transfers = [(board, slug) for board, slug in zip(boards, slugs, strict=True) if board.place.kind == "transfer"]
    for name, draw in OF_BOARD.items():
        if name in names:
            yield from filter(None, (draw(board, boards, slug, looks) for board, slug in transfers if board.rows))
    for name, of in OF_SETTING.items():
        if name in names:
            for setting in transfer.settings(boards, slugs):
                yield from of(setting)
    if "ranks" in names:
        for board, slug in transfers:
            yield from ranks.figures(board, slug)
