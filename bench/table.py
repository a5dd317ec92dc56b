"""python -m bench.table: records -> tables, figures and a page, or a check that committed ones are not stale."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from bench.boards import changes
from bench.boards.figures import canvas, catalogue
from bench.boards.formats import flat, frame, latex
from bench.boards.formats import paper as papers
from bench.boards.formats.feed import to_atom
from bench.boards.formats.markdown import markdown
from bench.boards.leaderboard import Board, boards
from bench.boards.measured import with_speeds
from bench.boards.page.document import address, to_html
from bench.boards.verdicts import Verdict, verdicts
from bench.command import console
from bench.records import portrait, record, speeds
from bench.records.record import Record
from bench.request import claim
from tickets import atomic
from tickets.errors import UserError, unknown

NAME = "leaderboard"
RUNS = Path("runs/records")
RECORDS, TABLES = Path("results/records"), Path("results/tables")

TEXTS: dict[str, Callable[[tuple[Board, ...]], str]] = {
    "md": markdown, "csv": flat.to_csv, "tex": latex.to_latex, "atom": to_atom,
}  # fmt: skip
"""Formats that are one text each."""
FORMATS = (*TEXTS, "parquet", *canvas.KINDS, "html")
COMMITTED = "md,csv,tex,svg"

BINARY, ALONE = {"parquet", *canvas.KINDS}, (*TEXTS, "html")
"""Formats that go to files only, and those of which one may be printed."""

Content = str | bytes
"""Of a file."""

app = console.application()


@app.command()
def table(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="Folder of records (default: runs/records; with --check, results/records).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Write the tables there (default: print one; with --check, compare results/tables).",
            show_default=False,
        ),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar=",".join(FORMATS),
            help=f"Which formats (default: md; with --out or --check, {COMMITTED}). csv and parquet: every row, every "
            "digit; svg and pdf: a file a figure; html: one page that sorts, filters and draws, and needs no network; "
            "atom: a feed of new rows.",
            show_default=False,
        ),
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            metavar=",".join(catalogue.NAMES),
            help="Only these figures, as SVG or with --format pdf as PDF (default: all).",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="TITLE,...",
            help="Of tex: tables for a paper with these columns, as Markdown calls them, the best in bold.",
            show_default=False,
        ),
    ] = None,
    width: Annotated[
        str | None,
        typer.Option(
            "--width",
            metavar="|".join(papers.WIDTHS),
            help="Of tex: tables for a paper that fit into a column (the default with --columns) or a page.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; exit 1 if a table is not what its records render to."),
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="DATE",
            help="Tell which ranks changed since that day, and why, as 2026-01-31; nothing else.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Turn a folder of records into tables, charts, or a page.

    Examples:

    python -m bench.table

    python -m bench.table results/records --out results/tables

    python -m bench.table results/records --format html --out pages

    python -m bench.table results/records --figure retention,transfer --format pdf --out paper

    python -m bench.table results/records --format tex --columns ticket,source,sparsity,score,MACs --out paper

    python -m bench.table results/records --since 2026-11-24
    """
    if since is not None:
        others = {"--check": check or None, "--out": out, "--format": formats, "--figure": figure}
        others |= {"--columns": columns, "--width": width}
        if given := [name for name, value in others.items() if value is not None]:
            raise UserError(f"--since {since} prints what changed; leave {given[0]} out.")
        with console.uncollected():
            sys.stdout.write(changes.text(changes.changes(_records(folder or RUNS), parse_day(since)), since))
        return
    to_files = check or out is not None
    names = parse_formats(formats or _usual(figure, columns or width, to_files))
    figures = parse(figure or ",".join(catalogue.NAMES), "figure", tuple(catalogue.NAMES))
    paper = papers.Paper.of(columns, width) if columns is not None or width is not None else None
    _refuse(names, figure, paper, check, to_files)
    folder = folder or (RECORDS if check else RUNS)
    with console.uncollected():
        files = render(folder, names, out or (TABLES if check else Path()), figures, paper)
    if check:
        verify(files, out or TABLES, figures if "svg" in names else ())
    elif out is None:
        sys.stdout.write(str(files[f"{NAME}.{names[0]}"]))
    else:
        write(files, out)


def _usual(figure: str | None, paper: str | None, to_files: bool) -> str:
    """The formats of a call that names none."""
    asked = [*(["svg"] if figure is not None else []), *(["tex"] if paper is not None else [])]
    return ",".join(asked) or (COMMITTED if to_files else "md")


def _refuse(names: Sequence[str], figure: str | None, paper: papers.Paper | None, check: bool, to_files: bool) -> None:
    """Refuse what cannot be asked for together, before any record is read.

    Raises:
        UserError: with what does not fit.
    """
    text = ",".join(names)
    if not to_files and (len(names) > 1 or set(names) & BINARY):
        raise UserError(f"several files ({text}) need a folder to go to; give --out DIR, or one of {', '.join(ALONE)}.")
    if check and (loose := sorted(set(names) - set(COMMITTED.split(",")))):
        raise UserError(
            f"{loose[0]} is never committed, and so not checked (got --format {text}); leave {loose[0]} out."
        )
    if figure is not None and not set(names) & set(canvas.KINDS):
        raise UserError(f"--figure {figure} draws nothing as {text}; give --format svg or pdf, or leave --format out.")
    if paper is not None and ("tex" not in names or check):
        why = "--check compares the tables of all columns" if check else f"--format {text} has no tables for a paper"
        raise UserError(f"--columns and --width are of --format tex, and {why}; leave them out, or give --format tex.")


def parse_formats(text: str) -> list[str]:
    """The formats of a comma-separated list, in its order, each once.

    Raises:
        UserError: one of them is unknown.

    Example:
        >>> parse_formats("csv, md")
        ['csv', 'md']
    """
    return parse(text, "format", FORMATS)


def parse(text: str, noun: str, known: Sequence[str]) -> list[str]:
    """The names of a comma-separated list, in its order, each once.

    Raises:
        UserError: one of them is unknown.
    """
    names = list(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in known:
            raise unknown(noun, name, known)
    return names


def render(
    folder: Path,
    formats: Sequence[str],
    out: Path = Path(),
    figures: Sequence[str] = tuple(catalogue.NAMES),
    paper: papers.Paper | None = None,
) -> dict[str, Content]:
    """The content of every file of a folder of records, by file name; with what bench.measure left beside it.

    Args:
        folder: of records.
        formats: from `FORMATS`.
        out: where the files will lie; a page links from there to the records.
        figures: from `catalogue.NAMES`.
        paper: how LaTeX is set for a paper; None for all columns.

    Raises:
        UserError: the folder is missing or holds no record, a file in it or the speeds beside it are damaged, or a
            format needs a package that is not installed.
    """
    found = with_speeds(boards(_records(folder)), speeds.read(speeds.beside(folder)))
    files: dict[str, Content] = {}
    for name in formats:
        if name in canvas.KINDS:
            drawn = {one.file: canvas.to_bytes(one, name) for one in catalogue.figures(found, figures)}
            files |= {f"{file}.{name}": data if name == "pdf" else data.decode() for file, data in drawn.items()}
        elif name == "html":
            feed = f"{NAME}.atom" if "atom" in formats else ""
            portraits = portrait.read_all(portrait.beside(folder))
            files[f"{NAME}.html"] = to_html(
                found, address(folder, out), str(folder), feed, _verdicts(folder), portraits
            )
        elif name == "parquet":
            files[f"{NAME}.parquet"] = frame.to_parquet(frame.of_csv(flat.to_csv(found)))
        elif name == "tex" and paper is not None:
            files[f"{NAME}.tex"] = papers.to_latex(found, paper)
        else:
            files[f"{NAME}.{name}"] = TEXTS[name](found)
    return files


def parse_day(text: str) -> str:
    """A day or a UTC time as records write theirs.

    Raises:
        UserError: it is neither.

    Example:
        >>> parse_day("2026-01-31")
        '2026-01-31T00:00:00Z'
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(
            f"--since {text} is no day; give one as 2026-01-31, or a time as 2026-01-31T12:00:00Z."
        ) from error
    return f"{found.astimezone(UTC) if found.tzinfo else found:%Y-%m-%dT%H:%M:%SZ}"


def _verdicts(folder: Path) -> list[Verdict]:
    """Of the claims that lie beside a folder of records, as in results/claims; none where there are none.

    Raises:
        UserError: a file of claims is damaged.
    """
    claims = folder.parent / claim.FOLDER.name
    return verdicts(record.each(folder), claim.each(claims)) if claims.is_dir() else []


def _records(folder: Path) -> Iterator[Record]:
    """The records of a folder.

    Raises:
        UserError: there is none, or a file is damaged.
    """
    found = record.each(folder)
    first = next(found, None)
    if first is None:
        raise UserError(f"there is no record in {folder}; run python -m bench.run first, or name another.")
    return chain([first], found)


def write(files: Mapping[str, Content], out: Path) -> None:
    """Write files and tell where they are.

    Raises:
        CannotWriteError: the folder cannot be written.
    """
    for name, content in files.items():
        atomic.write(out / name, content.encode() if isinstance(content, str) else content)
        print(out / name)


def verify(files: Mapping[str, Content], tables: Path, figures: Sequence[str] = ()) -> None:
    """Compare table files with what they should be, byte by byte; figures as `canvas.is_current` does.

    Raises:
        typer.Exit: code 1, after one sentence on stderr for every file that is missing, stale or of no board.
    """
    complaints = [complaint for name, text in files.items() if (complaint := _complaint(tables / name, str(text)))]
    left = sorted(path for name in figures for path in tables.glob(f"{name}-*.svg") if path.name not in files)
    complaints += [f"{path} belongs to no board; delete it" for path in left]
    for complaint in complaints:
        print(f"error: {complaint}; run make table and commit it.", file=sys.stderr)
    if complaints:
        raise typer.Exit(1)
    print(f"{len(files)} tables in {tables} are what their records render to.")


def _complaint(path: Path, text: str) -> str | None:
    """What is wrong with a table file, or None."""
    try:
        found = path.read_bytes().decode()
    except (OSError, ValueError):
        return f"{path} is {'stale' if path.exists() else 'missing'}"
    if found == text or (path.suffix == ".svg" and canvas.is_current(found, text)):
        return None
    where = flat.first_difference(found, text) if path.suffix == ".csv" else _first_line(found, text)
    return f"{path} is stale" + (f": {where}" if where else "")


def _first_line(old: str, new: str) -> str:
    """Where two texts first differ."""
    pairs = zip(old.splitlines(), new.splitlines(), strict=False)
    same = next((number for number, (a, b) in enumerate(pairs) if a != b), None)
    return f"it differs from line {(min(old.count(chr(10)), new.count(chr(10))) if same is None else same) + 1} on"


if __name__ == "__main__":
    console.main(app, "python -m bench.table")
