"""A board as an HTML table, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.boards.columns import cells, filled
from bench.boards.leaderboard import Board
from bench.boards.words import heading, notes
from bench.numbers import aligned


def html(board: Board, boards: Sequence[Board] = ()) -> str:
    """One board as an HTML table of the columns in which something stands, its heading above and its notes below."""
    columns = filled(board)
    rows = cells(board, columns)
    table = aligned.html([column.title for column in columns], rows) if rows else ""
    told = "".join(f"<li>{escape(note)}</li>" for note in notes(board))
    return f"<p><b>{escape(heading(board, boards))}</b></p>{table}" + (f"<ul>{told}</ul>" if told else "")
