"""python -m bench.table: records -> tables, charts and a page, or a check that committed ones are not stale."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from bench.boards import changes, charts, flat
from bench.boards.feed import to_atom
from bench.boards.latex import to_latex
from bench.boards.leaderboard import Board, boards
from bench.boards.measured import with_speeds
from bench.boards.page.document import address, to_html
from bench.boards.render import markdown
from bench.boards.verdicts import Verdict, verdicts
from bench.command import console
from bench.records import record, speeds
from bench.records.record import Record
from bench.request import claim
from tickets import atomic
from tickets.errors import UserError, unknown

NAME = "leaderboard"
RUNS = Path("runs/records")
RECORDS, TABLES = Path("results/records"), Path("results/tables")

TEXTS: dict[str, Callable[[tuple[Board, ...]], str]] = {
    "md": markdown, "csv": flat.to_csv, "tex": to_latex, "atom": to_atom,
}  # fmt: skip
"""Formats that are one file each."""
FORMATS = (*TEXTS, "svg", "html")
COMMITTED = "md,csv,tex,svg"

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
            help=f"Which formats (default: md; with --out or --check, {COMMITTED}). svg: a chart a target; html: one "
            "page that sorts, filters and draws, and needs no network; atom: a feed of new rows.",
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

    python -m bench.table results/records --since 2026-11-24
    """
    if since is not None:
        others = {"--check": check or None, "--out": out, "--format": formats}
        if given := [name for name, value in others.items() if value is not None]:
            raise UserError(f"--since {since} prints what changed; leave {given[0]} out.")
        with console.uncollected():
            sys.stdout.write(changes.text(changes.changes(_records(folder or RUNS), parse_day(since)), since))
        return
    to_files = check or out is not None
    names = parse_formats(formats or (COMMITTED if to_files else "md"))
    if not to_files and (len(names) > 1 or "svg" in names):
        raise UserError(f"several files ({formats}) need a folder to go to; give --out DIR or one format but svg.")
    if check and {"html", "atom"}.intersection(names):
        raise UserError(
            f"a page and its feed are never committed, and so not checked (got --format {formats}); leave html and "
            "atom out."
        )
    folder = folder or (RECORDS if check else RUNS)
    with console.uncollected():
        files = render(folder, names, out or (TABLES if check else Path()))
    if check:
        verify(files, out or TABLES)
    elif out is None:
        sys.stdout.write(files[f"{NAME}.{names[0]}"])
    else:
        write(files, out)


def parse_formats(text: str) -> list[str]:
    """The formats of a comma-separated list, in its order, each once.

    Raises:
        UserError: one of them is unknown.

    Example:
        >>> parse_formats("csv, md")
        ['csv', 'md']
    """
    names = list(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    return names


def render(folder: Path, formats: list[str], out: Path = Path()) -> dict[str, str]:
    """The text of every table file of a folder of records, by file name; with what bench.measure left beside it.

    Args:
        folder: of records.
        formats: from `FORMATS`.
        out: where the files will lie; a page links from there to the records.

    Raises:
        UserError: the folder is missing or holds no record, a file in it or the speeds beside it are damaged, or a
            format needs a package that is not installed.
    """
    found = with_speeds(boards(_records(folder)), speeds.read(speeds.beside(folder)))
    files: dict[str, str] = {}
    for name in formats:
        if name == "svg":
            files |= {f"{NAME}-{slug}.svg": text for slug, text in charts.to_svgs(found).items()}
        elif name == "html":
            feed = f"{NAME}.atom" if "atom" in formats else ""
            files[f"{NAME}.html"] = to_html(found, address(folder, out), feed, _verdicts(folder))
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


def write(files: dict[str, str], out: Path) -> None:
    """Write table files and tell where they are.

    Raises:
        CannotWriteError: the folder cannot be written.
    """
    for name, text in files.items():
        atomic.write(out / name, text.encode())
        print(out / name)


def verify(files: dict[str, str], tables: Path) -> None:
    """Compare table files with what they should be, byte by byte; charts as `charts.is_current` does.

    Raises:
        typer.Exit: code 1, after one sentence on stderr for every file that is missing, stale or of no board.
    """
    complaints = [complaint for name, text in files.items() if (complaint := _complaint(tables / name, text))]
    if any(name.endswith(".svg") for name in files):
        left = sorted(path for path in tables.glob(f"{NAME}-*.svg") if path.name not in files)
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
    if found == text or (path.suffix == ".svg" and charts.is_current(found, text)):
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
