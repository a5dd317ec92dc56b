r"""Boards as LaTeX for `\input`: one longtable a board, with all columns; for papers `bench.boards.formats.paper`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from bench.boards import words
from bench.boards.columns import CONTROL, filled, overall_cells, overall_columns
from bench.boards.leaderboard import Board
from bench.boards.overall import over_targets

PREAMBLE = """\
% Made by python -m bench.table; do not edit. In the preamble of the document:
%   \\usepackage{booktabs,longtable}
% then \\input{leaderboard}. The tables are wide: a landscape page or a smaller \\leaderboardsize helps.
\\providecommand{\\leaderboardsize}{\\scriptsize}
"""

LEFT_OUT = ("of scratch", "deployed parameters", "deployed MACs")
"""Titles of columns that a page has no room for."""

SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\textasciigrave{}",
    "[": r"{[}",
    "]": r"{]}",
    "\u2013": "--",
    "\u2026": r"\ldots{}",
    "\u00b1": r"$\pm$",
    "\u00d7": r"$\times$",
    "\u21b3": r"\quad",
}
"""Signs that LaTeX would read as something else, or not at all."""


def escaped(text: str) -> str:
    r"""Text that LaTeX sets as it is, in any encoding of the document; signs that it lacks are named by their number.

    Example:
        >>> escaped("a_b & 50% ±1"), escaped("Zoë \u4e2d")
        ('a\\_b \\& 50\\% $\\pm$1', 'Zo\\"{e} U+4E2D')
    """
    return "-{}".join("".join(map(_sign, part)) for part in re.split("-(?=-)", text))  # no hyphens join to a dash


def _sign(sign: str) -> str:
    if sign in SIGNS:
        return SIGNS[sign]
    if " " <= sign <= "~":
        return sign
    letter, *marks = list(unicodedata.normalize("NFD", sign))
    accents = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"'}
    if letter.isascii() and letter.isalpha() and len(marks) == 1 and marks[0] in accents:
        return f"\\{accents[marks[0]]}{{{letter}}}"
    return " " if sign.isspace() else f"U+{ord(sign):04X}"


def to_latex(boards: Iterable[Board]) -> str:
    """All boards as longtables, those over all targets first; columns in which nothing stands are left out."""
    boards = tuple(boards)
    parts = [PREAMBLE]
    for found in over_targets(boards):
        titles, cells = overall_columns(found), overall_cells(found)
        notes = words.overall_notes(found)
        parts.append(_longtable(words.overall_heading(found), titles, "rll" + "r" * (len(titles) - 3), cells, notes))
    for board in boards:
        if board.rows:
            columns = [column for column in filled(board) if column.title not in LEFT_OUT]
            cells = [[column.cell(row) for column in columns] for row in board.rows]
            aligned = "".join("r" if column.is_number else "l" for column in columns)
            titles = [column.title for column in columns]
        else:
            titles, aligned, cells = [], "l", []
        parts.append(_longtable(words.heading(board, boards), titles, aligned, cells, words.notes(board)))
    return "\n".join(parts)


def _longtable(
    caption: str, titles: Sequence[str], aligned: str, cells: Iterable[Sequence[str]], notes: Sequence[str]
) -> str:
    """One table, and below it a paragraph a note."""
    head = [_line(titles)] if titles else []
    lines = [
        "{\\leaderboardsize\\setlength{\\tabcolsep}{3pt}",
        f"\\begin{{longtable}}{{@{{}}{aligned}@{{}}}}",
        f"\\caption{{{escaped(caption)}}}\\\\",
        "\\toprule",
        *head,
        *(["\\midrule"] if head else []),
        "\\endhead",
        "\\bottomrule",
        "\\endfoot",
        *map(_line, cells),
        "\\end{longtable}",
        *(f"\\noindent {escaped(note)}\\par" for note in notes),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cell(text) for text in cells) + " \\\\"


def cell(text: str) -> str:
    """A control is set in, a minus is set as one."""
    if text.startswith(CONTROL):
        return f"\\quad {escaped(text.removeprefix(CONTROL))}"
    if text[:1] == "-" and text[1:2].isdigit():
        return f"$-${escaped(text[1:])}"
    return escaped(text)
