"""Boards with what was measured of their tickets on one machine: speed and size beside dense. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import geometric_mean

from bench.boards.leaderboard import Board, Row
from bench.numbers import stats
from bench.records.speeds import Speeds, Timed


def with_speeds(boards: Iterable[Board], speeds: Speeds | None) -> tuple[Board, ...]:
    """The boards, with the speeds of those rows whose tickets were all measured.

    Args:
        boards: as they follow from records.
        speeds: None where nothing was measured.
    """
    if speeds is None:
        return tuple(boards)
    return tuple(_filled(board, speeds) for board in boards)


def _filled(board: Board, speeds: Speeds) -> Board:
    rows = tuple(_row(row, speeds.tickets) for row in board.rows)
    return replace(board, rows=rows, measured=speeds.by) if any(row.faster for row in rows) else board


def _row(row: Row, known: Mapping[str, Timed]) -> Row:
    """The row with the geometric mean of speed-ups and the mean of file sizes over its seeds."""
    found = [known[one.ticket] for one in row.results if one.ticket is not None and one.ticket in known]
    if not found or len(found) < len(row.results):
        return row
    faster = geometric_mean([timed.faster for timed in found])
    return replace(row, faster=faster, file_share=stats.mean([timed.share for timed in found]))
