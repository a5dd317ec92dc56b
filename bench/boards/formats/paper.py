r"""Boards as LaTeX tables for a paper: the columns that are asked for, fitted into a column or a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bench.boards import words
from bench.boards.columns import COLUMNS, CONTROL, Column
from bench.boards.facts import facts
from bench.boards.formats.latex import cell, escaped
from bench.boards.leaderboard import Board, Row
from bench.numbers.amounts import MISSING
from tickets.errors import UserError, unknown

WIDTHS = {"column": 200.0, "page": 345.0}
"""Points that a table may take: a column of a two-column article, a page of a report, as LaTeX sets them by itself."""
USUAL = {
    "column": ("ticket", "source", "sparsity", "score"),
    "page": ("rank", "ticket", "source", "sparsity", "score", "of dense", "gap", "MACs"),
}
"""The columns of those who name none."""
SIZES = {"footnotesize": 8.0, "scriptsize": 7.0, "tiny": 5.0}
"""Sizes of letters in points, the first that fits is taken."""
LETTER = 0.56
"""Width of a letter over its size, more than the mean of Computer Modern."""
GAP = 6.0
"""Points between two columns."""
PIECE = 14
"""Letters of a name without a place to break it."""
LONG = 12
"""Letters of a text from which on its column breaks lines."""
ROWS = 45
"""Of one table; longer ones are told in parts."""

BEST = ("ticket", "score")
"""Columns that the best is bold in."""
UNDECIDED = r"$^{\dagger}$"
PREAMBLE = """\
% Made by python -m bench.table; do not edit. In the preamble of the document:
%   \\usepackage{booktabs,tabularx}
% then \\input{leaderboard}.
"""


@dataclass(frozen=True)
class Paper:
    """What a paper's tables show.

    Args:
        titles: of `bench.boards.columns`, in their order in the table.
        width: of `WIDTHS`.
    """

    titles: tuple[str, ...]
    width: str

    @classmethod
    def of(cls, columns: str | None, width: str | None) -> Paper:
        """What the command line asks for: comma-separated titles, or the usual ones.

        Raises:
            UserError: a column or a width that is not known.

        Example:
            >>> Paper.of("score, ticket", None)
            Paper(titles=('score', 'ticket'), width='column')
        """
        width = width or "column"
        if width not in WIDTHS:
            raise unknown("--width", width, WIDTHS)
        known = [column.title for column in COLUMNS if "transfer" in column.kinds]
        titles = tuple(dict.fromkeys(part.strip() for part in columns.split(","))) if columns else USUAL[width]
        for title in titles:
            if title not in known:
                raise unknown("column", title, known)
        return cls(titles, width)


def to_latex(boards: Iterable[Board], paper: Paper) -> str:
    """Every board of transfers as a table with caption and label.

    Args:
        boards: all there are; draws and boards without a complete row are left out.
        paper: what to show.

    Raises:
        UserError: the columns do not fit, however small the letters.
    """
    boards = tuple(boards)
    parts = [PREAMBLE]
    for board, slug in zip(boards, words.slugs(boards), strict=True):
        if board.rows and board.place.kind == "transfer":
            heading = words.heading(board, boards)
            chunks = [board.rows[start : start + ROWS] for start in range(0, len(board.rows), ROWS)]
            for number, rows in enumerate(chunks, 1):
                part = f" ({number} of {len(chunks)})" if len(chunks) > 1 else ""
                label = slug + (f"-{number}" if number > 1 else "")
                parts.append(_table(replace(board, rows=rows), heading + part, label, paper))
    return "\n".join(parts)


def _table(board: Board, heading: str, slug: str, paper: Paper) -> str:
    """One floating table, as wide as a page where it is not for a column."""
    fitted = _fitted(board, paper)
    begin, end = (r"tabularx}{\linewidth", "tabularx") if "X" in fitted.kinds else ("tabular", "tabular")
    aligned = "".join(r">{\raggedright\arraybackslash}X" if kind == "X" else kind for kind in fitted.kinds)
    name = "table*" if paper.width == "page" else "table"
    rows = [[_set(*pair, row) for pair in zip(fitted.columns, fitted.texts(row), strict=True)] for row in board.rows]
    lines = [
        f"\\begin{{{name}}}",
        "\\centering\\sloppy",
        f"\\caption{{{broken(f'{heading}. {_read(board, paper)}')}}}",
        f"\\label{{tab:{slug}}}",
        f"\\{fitted.size}\\setlength{{\\tabcolsep}}{{{GAP / 2:g}pt}}",
        f"\\begin{{{begin}}}{{@{{}}{aligned}@{{}}}}",
        "\\toprule",
        " & ".join(escaped(column.title) for column in fitted.columns) + " \\\\",
        "\\midrule",
        *(" & ".join(cells) + " \\\\" for cells in rows),
        "\\bottomrule",
        f"\\end{{{end}}}",
        f"\\end{{{name}}}",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Fitted:
    """How a table fits.

    Args:
        columns: that are shown.
        kinds: "l", "r", or "X" for one that breaks its lines, a letter a column.
        size: of letters, of `SIZES`.
    """

    columns: Sequence[Column]
    kinds: str
    size: str

    def texts(self, row: Row) -> list[str]:
        """The row's cells."""
        return [_text(column, row, self.columns) for column in self.columns]


def _fitted(board: Board, paper: Paper) -> Fitted:
    """The largest letters at which the columns of a board fit.

    Raises:
        UserError: there are none.
    """
    by_title = {column.title: column for column in COLUMNS}
    columns = [by_title[title] for title in paper.titles]
    texts = [[column.title, *(_text(column, row, columns) for row in board.rows)] for column in columns]
    longest = [max(map(len, cells)) for cells in texts]
    kinds = ["r" if c.is_number else "X" if most > LONG else "l" for c, most in zip(columns, longest, strict=True)]
    stiff = sum(most for most, kind in zip(longest, kinds, strict=True) if kind != "X")
    soft = [text for cells, kind in zip(texts, kinds, strict=True) if kind == "X" for text in cells]
    needed = stiff + kinds.count("X") * max((len(piece) for text in soft for piece in pieces(text)), default=0)
    for size, points in SIZES.items():
        if needed * points * LETTER + GAP * (len(columns) - 1) <= WIDTHS[paper.width]:
            return Fitted(columns, "".join(kinds), size)
    raise UserError(
        f"{', '.join(paper.titles)} take {needed} letters side by side, more than a {paper.width} has room for even in "
        "the smallest print; name fewer by --columns" + ("." if paper.width == "page" else ", or give --width page.")
    )


def _text(column: Column, row: Row, columns: Sequence[Column]) -> str:
    """A cell; behind the ticket stands its recipe where that goes not without saying and has no column."""
    text, recipe = column.cell(row), words.recipe(row.key)
    is_told = recipe in ("finetune", MISSING) or any(one.title == "recipe" for one in columns)
    return text if column.title != "ticket" or is_told else f"{text}, {recipe}"


def pieces(text: str) -> list[str]:
    """The parts of a text between which a line may break, none longer than `PIECE`.

    Example:
        >>> pieces("imp@rounds=3 on supernet/tiny")
        ['imp@', 'rounds=', '3 ', 'on ', 'supernet/', 'tiny']
    """
    parts = re.findall(r"[^\s@=/_,;-]*[\s@=/_,;-]+|[^\s@=/_,;-]+", text)
    return [part[start : start + PIECE] for part in parts for start in range(0, len(part), PIECE)] or [""]


def broken(text: str) -> str:
    r"""A text that LaTeX sets as it is, and breaks where a name can be broken.

    Example:
        >>> broken("50% of a/b")
        '50\\% of a/\\allowbreak{}b'
    """
    found = ""
    for piece in pieces(text):
        found += ("" if not found or found.endswith(" ") else r"\allowbreak{}") + escaped(piece)
    return found


def _set(column: Column, text: str, row: Row) -> str:
    """A cell: the best ticket of its sparsity in bold, a score that is not told from the one above with a dagger."""
    found = cell(text) if column.is_number else _name(text)
    if column.title in BEST and row.rank == 1:
        found = f"\\textbf{{{found}}}"
    return found + (UNDECIDED if column.title == "score" and row.is_decided is False else "")


def _name(text: str) -> str:
    """A text, a control set in."""
    if text.startswith(CONTROL):
        return r"\quad " + broken(text.removeprefix(CONTROL))
    return broken(text)


def _read(board: Board, paper: Paper) -> str:
    """What a caption says beside the heading."""
    more = ["bold: the best of its sparsity"] if set(BEST) & set(paper.titles) else []
    if any(row.is_decided is False for row in board.rows):
        more.append("dagger: the seeds do not tell it from the row ranked above")
    if {"score", "gap"} & set(paper.titles):
        more.append("± half the 95 % t-interval")
    return facts(board.place, board.rows, *more)
