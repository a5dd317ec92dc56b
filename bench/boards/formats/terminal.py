"""Boards as rich tables in a terminal, and as aligned text in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from bench.boards.columns import BOTH, Column, cells, filled
from bench.boards.leaderboard import Board
from bench.boards.words import heading, label, notes

FIRST = Column("ticket", lambda row: ("  " if row.is_control else "") + label(row.key), None, BOTH, "ticket")
"""In a terminal, ticket, source and recipe share this column."""
DROPPED = ("marks", "time", "file", "speed-up", "gap", "of scratch", "of dense", "MACs", "parameters", "remaining")
"""Columns that a narrow terminal does without, the first first."""
GAP = 2
"""Spaces between two columns."""


def _brief(board: Board) -> list[Column]:
    """The columns of a terminal: those in which something stands."""
    return [FIRST, *(column for column in filled(board) if column.terminal)] if board.rows else []


def plain(boards: Iterable[Board]) -> str:
    """All boards as aligned text, draws first, as a pipe gets them."""
    boards = sorted(boards, key=_is_transfer)
    return "\n".join(_plain(board, heading(board, boards)) for board in boards)


def _is_transfer(board: Board) -> bool:
    return board.place.kind == "transfer"


def _plain(board: Board, title: str) -> str:
    columns = _brief(board)
    lines = [[column.terminal for column in columns], *cells(board, columns)] if board.rows else []
    widths = [max(map(len, texts)) for texts in zip(*lines, strict=True)]
    text = title + "\n"
    for line in lines:
        told = (
            cell.rjust(width) if column.is_number else cell.ljust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        )
        text += f"  {(' ' * GAP).join(told)}".rstrip() + "\n"
    return text + "".join(f"  {note}\n" for note in notes(board))


def rich(boards: Iterable[Board], width: int) -> Any:
    """All boards as one rich renderable, draws first.

    Args:
        boards: what to show.
        width: characters there are; columns that do not fit are left out, and that is said.
    """
    from rich.console import Group
    from rich.text import Text

    boards = sorted(boards, key=_is_transfer)
    parts: list[Any] = []
    for board in boards:
        parts.append(Text(heading(board, boards), style="bold"))
        if board.rows:
            widths, dropped = _fitting(board, width)
            parts.append(_rich_table(board, widths))
            if dropped:
                parts.append(Text(f"Not shown here: {', '.join(dropped)} (the window is narrow).", style="dim"))
        parts += [Text(note, style="yellow") for note in notes(board)]
        parts.append(Text())
    return Group(*parts[:-1])


def _fitting(board: Board, width: int) -> tuple[dict[Column, int], list[str]]:
    """The terminal's columns that fit, with their widths, and the titles of those that do not."""
    columns = _brief(board)
    least = {column: _least_width(column, board) for column in columns}
    dropped = []
    for title in DROPPED:
        if sum(least.values()) + GAP * (len(least) - 1) > width:
            dropped += [column.title for column in least if column.title == title]
            least = {column: need for column, need in least.items() if column.title != title}
    spare = width - sum(least.values()) - GAP * (len(least) - 1)
    for column, need in least.items():
        wish = max(len(text) for text in (column.terminal, *(column.cell(row) for row in board.rows)))
        more = max(0, min(wish - need, spare))
        least[column], spare = need + more, spare - more
    return least, dropped


def _least_width(column: Column, board: Board) -> int:
    """Characters without which a column's words or numbers would be torn."""
    cells = [column.cell(row) for row in board.rows]
    parts = cells if column.is_number else [word for cell in cells for word in cell.split()]
    return max(map(len, (*column.terminal.split(), *parts)))


def _rich_table(board: Board, widths: Mapping[Column, int]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    for column, width in widths.items():
        table.add_column(column.terminal, justify="right" if column.is_number else "left", width=width)
    for line in cells(board, list(widths)):
        table.add_row(*map(Text, line))
    return table


def show(boards: Iterable[Board], file: TextIO | None = None) -> None:
    """Print the boards: rich in a terminal, plain when piped.

    Args:
        boards: what to show.
        file: where to; default standard output.
    """
    file = file or sys.stdout
    if file.isatty():
        from rich.console import Console

        console = Console(file=file)
        console.print(rich(boards, console.width))
    else:
        file.write(plain(boards))
