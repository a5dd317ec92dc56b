"""A table of texts on standard output: rich in a terminal, aligned text when piped; or as HTML."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from html import escape
from typing import TextIO

GAP = 2


def show(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], file: TextIO | None = None) -> None:
    """Print one table; the first column is set flush left, the others flush right.

    Args:
        title: a line above it.
        header: a text a column.
        rows: as many texts each.
        file: where to; default standard output.
    """
    file, rows = file or sys.stdout, [list(row) for row in rows]
    if file.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(title=title, title_justify="left", box=None, padding=(0, GAP, 0, 0), header_style="dim")
        for i, name in enumerate(header):
            table.add_column(name, justify="left" if i == 0 else "right")
        for row in rows:
            table.add_row(*row)
        Console(file=file, highlight=False, markup=False).print(table)
        return
    print(title, file=file)
    for line in aligned([header, *rows]):
        print(f"  {line}".rstrip(), file=file)


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines whose columns are equally wide, the first flush left, the others flush right.

    Example:
        >>> aligned([["a", "10"], ["bcd", "9"]])
        ['a    10', 'bcd   9']
    """
    columns = [list(column) for column in zip(*lines, strict=True)]
    for i, cells in enumerate(columns):
        width = max(map(len, cells))
        columns[i] = [cell.rjust(width) if i else cell.ljust(width) for cell in cells]
    return [(" " * GAP).join(line) for line in zip(*columns, strict=True)]


def html(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Texts as an HTML table."""
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    lines = ("".join(f"<td>{escape(text)}</td>" for text in row) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{one}</tr>' for one in lines)}</tbody></table>"
