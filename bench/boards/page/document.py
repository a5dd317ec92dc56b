"""The page's HTML: tables that read without scripts, the data block, and the scripts that sort, filter and draw."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

from bench.boards import render
from bench.boards.leaderboard import Board
from bench.boards.overall import over_targets
from bench.boards.page import data
from bench.boards.render import CONTROL
from tickets.errors import UserError

SCRIPTS = ("shared.js", "details.js", "tables.js", "charts.js", "gaps.js", "start.js")
"""In the order in which they run; the last one runs plotly's."""

EXTRA = ("seeds", "of scratch", "parameters", "deployed parameters", "deployed MACs", "time")
"""Titles of columns that show when "All columns" is ticked."""

OVERALL_WORDS = 2
"""Columns of words in a board over all targets: ticket and recipe, after the rank."""


def to_html(boards: Iterable[Board], records: str = "") -> str:
    """The whole page.

    Args:
        boards: what to show.
        records: address of the folder of records, relative to the page and with a final slash.

    Raises:
        UserError: plotly is not installed.
    """
    boards = tuple(boards)
    plotly, scripts = _plotly(), [_asset(name) for name in SCRIPTS]
    count = sum(len(row.results) for board in boards for row in (*board.rows, *board.incomplete))
    return Template(_asset("page.html")).substitute(
        policy=_policy([plotly, *scripts]),
        style=_asset("page.css") + _column_rules(),
        records=escape(records),
        count=f"{count:,}",
        boards=str(len(boards)),
        contents="\n".join(_contents(boards)),
        overall="\n".join(_overall_sections(boards)),
        sections="\n".join(_sections(boards)),
        legend=_legend(),
        data=_packed(data.block(boards)),
        plotly=_packed(plotly),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def address(folder: Path, start: Path) -> str:
    """How a page in one folder links to files of another.

    Example:
        >>> address(Path("results/my records"), Path("pages"))
        '../results/my%20records/'
    """
    return quote(Path(os.path.relpath(folder, start)).as_posix()) + "/"


def _asset(name: str) -> str:
    return (files("bench.boards.page") / name).read_text(encoding="utf-8")


def _plotly() -> str:
    """The charts' script, from the installed package."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise UserError(
            'the page needs the package plotly, which is not installed; pip install "ticketbench[page]".'
        ) from error
    return get_plotlyjs()


def _packed(text: str) -> str:
    """A text as gzip in base64, a third of its size, for the scripts to unpack; the same bytes each time."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _policy(scripts: Sequence[str]) -> str:
    """A content security policy: these scripts and no others, nothing from anywhere."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _column_rules() -> str:
    """What the style sheet says of a table's columns by their numbers, which its classes tell: w2 that the second is
    words, x2 that it shows only when "All columns" is ticked. A class a cell would be a third of the page.
    """
    numbers = range(1, len(render.COLUMNS) + 1)
    words = ", ".join(f".w{number} tr > :nth-child({number})" for number in numbers)
    extra = ", ".join(f"body:not(.all-columns) .x{number} tr > :nth-child({number})" for number in numbers)
    return f"{words} {{ text-align: left; }}\n{extra} {{ display: none; }}\n"


def _contents(boards: Sequence[Board]) -> Iterator[str]:
    """One link a board, grouped by what they hold."""
    overall = zip(over_targets(boards), data.overall_ids(boards), strict=True)
    named = list(zip(boards, render.slugs(boards), strict=True))
    groups = {
        "Over all targets": [(f"from {found.source}", name) for found, name in overall],
        "Transfers": [(_short(board, boards), name) for board, name in named if board.place.kind == "transfer"],
        "Draws": [(_short(board, boards), name) for board, name in named if board.place.kind == "draw"],
    }
    for title, links in groups.items():
        if links:
            items = "".join(f'<li><a href="#{escape(name)}">{escape(text)}</a></li>' for text, name in links)
            yield f"<div><h2>{title}</h2><ul>{items}</ul></div>"


def _short(board: Board, boards: Sequence[Board]) -> str:
    """A board's task, and its setting where another board has the same task."""
    alike = [other for other in boards if (other.place.kind, other.place.task) == (board.place.kind, board.place.task)]
    preposition = "from" if board.place.kind == "draw" else "to"
    setting = f", {', '.join(render.setting_of(board.place))}" if len(alike) > 1 else ""
    return f"{preposition} {board.place.task}{setting}"


def _overall_sections(boards: Sequence[Board]) -> Iterator[str]:
    for found, name in zip(over_targets(boards), data.overall_ids(boards), strict=True):
        titles, heading = render.overall_columns(found), render.overall_heading(found)
        classes = ["", *["w"] * OVERALL_WORDS, *[""] * (len(titles) - 1 - OVERALL_WORDS)]
        starts = ("first" if number and line.rank == 1 else "" for number, line in enumerate(found.lines))
        table = _table(name, heading, titles, classes, zip(starts, render.overall_cells(found), strict=True))
        yield _section(name, "overall", heading, table, render.overall_notes(found))


def _sections(boards: Sequence[Board]) -> Iterator[str]:
    for board, name in zip(boards, render.slugs(boards), strict=True):
        heading, columns = render.heading(board, boards), render.filled(board)
        classes = ["w" * (not column.is_number) + "x" * (column.title in EXTRA) for column in columns]
        rows = [
            (_row_class(row.key.role, row.is_control), [column.cell(row) for column in columns]) for row in board.rows
        ]
        table = _table(name, heading, [column.title for column in columns], classes, rows) if rows else ""
        yield _section(name, board.place.kind, heading, table, render.notes(board))


def _row_class(role: str, is_control: bool) -> str:
    return f"{role}{' control' if is_control else ''}"


def _section(name: str, kind: str, heading: str, table: str, notes: Sequence[str]) -> str:
    subject, _, setting = heading.partition(": ")
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    told = f'<ul class="notes">{listed}</ul>' if notes else ""
    return (
        f'<section class="board" id="{escape(name)}" data-kind="{kind}" aria-labelledby="{escape(name)}-title">'
        f'<h2 id="{escape(name)}-title">{escape(subject)}</h2><p class="setting">{escape(setting)}</p>'
        f'<div class="charts" hidden></div>{table}{told}</section>'
    )


def _table(
    name: str, heading: str, titles: Sequence[str], classes: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]
) -> str:
    """A table in a box that scrolls; the cell of the ticket is the row's header.

    Args:
        name: of its section.
        heading: its caption.
        titles: of the columns.
        classes: of each column: w for words, x for one that shows only when "All columns" is ticked, both, or neither.
        rows: class and texts of each.
    """
    ticket = titles.index("ticket")
    marks = " ".join(f"{mark}{number}" for number, marked in enumerate(classes, 1) for mark in marked)
    heads = [
        "ticket" if title == "ticket" else "w" if "w" in mark else ""
        for title, mark in zip(titles, classes, strict=True)
    ]
    head = "".join(
        f'<th scope="col"{_class(mark)}>{escape(title)}</th>' for title, mark in zip(titles, heads, strict=True)
    )
    body = []
    for number, (row_class, cells) in enumerate(rows):
        texts = [
            f'<th scope="row">{escape(text.removeprefix(CONTROL))}</th>'
            if column == ticket
            else f"<td>{_cell(text)}</td>"
            for column, text in enumerate(cells)
        ]
        body.append(f'<tr data-row="{number}"{_class(row_class)}>{"".join(texts)}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{escape(name)}-title">'
        f"<table{_class(marks)}><caption>{escape(heading)}</caption><thead><tr>{head}</tr></thead>\n<tbody>{''.join(body)}</tbody></table></div>"
    )


def _class(value: str) -> str:
    return f' class="{value}"' if value else ""


def _cell(text: str) -> str:
    """A cell's text; half of an interval is set apart, so that the means line up."""
    value, sign, half = text.partition(" ±")
    return f"{escape(value)}<small>±{escape(half)}</small>" if sign else escape(text)


def _legend() -> str:
    """The columns' meanings, a paragraph; words between asterisks are set off."""
    parts = escape(render.LEGEND, quote=False).split("*")
    return "".join(f"<em>{part}</em>" if number % 2 else part for number, part in enumerate(parts))
