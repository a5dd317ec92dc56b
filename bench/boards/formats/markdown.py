"""Boards as one Markdown page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.boards import overall
from bench.boards.columns import LEGEND, cells, full, overall_cells, overall_columns
from bench.boards.leaderboard import Board
from bench.boards.words import heading, notes, overall_heading, overall_notes


def markdown(boards: Iterable[Board]) -> str:
    """All boards as one Markdown page, those over all targets first."""
    boards = tuple(boards)
    sections = ["# Leaderboards\n", LEGEND]
    for found in overall.over_targets(boards):
        sections.append(f"## {overall_heading(found)}\n")
        titles = overall_columns(found)
        sections.append(_table(titles, [True, False, False, *[True] * (len(titles) - 3)], overall_cells(found)))
        sections.append(_list(overall_notes(found)))
    for board in boards:
        sections.append(f"## {heading(board, boards)}\n")
        if board.rows:
            columns = full(board)
            titles = [column.title for column in columns]
            sections.append(_table(titles, [column.is_number for column in columns], cells(board, columns)))
        sections.append(_list(notes(board)))
    return "\n".join(section for section in sections if section)


def _table(titles: Sequence[str], are_numbers: Sequence[bool], lines: Iterable[Sequence[str]]) -> str:
    ruler = ["--:" if is_number else ":--" for is_number in are_numbers]
    return "".join(f"| {' | '.join(map(_escaped, line))} |\n" for line in (titles, ruler, *lines))


def _list(notes: Iterable[str]) -> str:
    return "".join(f"- {_escaped(note)}\n" for note in notes)


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{sign}" if sign in "\\|<>*_`[]" else sign for sign in text)
