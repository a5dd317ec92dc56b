"""python -m bench.table: records -> Markdown and CSV tables, or a check that committed ones are not stale."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench import console, record
from bench.leaderboard import boards
from bench.flat import to_csv
from bench.latex import to_latex
from bench.render import markdown
from tickets.errors import UserError, unknown

NAME = "leaderboard"
RUNS = Path("runs/records")
FORMATS = {"md": markdown, "csv": to_csv, "tex": to_latex}
RECORDS, TABLES = Path("results/records"), Path("results/tables")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


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
            metavar="md,csv",
            help="Which formats (default: md; with --out or --check, both).",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; exit 1 if a table is not what its records render to."),
    ] = False,
) -> None:
    """Turn a folder of records into tables.

    Examples:

    python -m bench.table

    python -m bench.table results/records --out results/tables
    """
    to_files = check or out is not None
    names = parse_formats(formats or ("md,csv" if to_files else "md"))
    if not to_files and len(names) > 1:
        raise UserError(f"several formats ({formats}) need a folder to go to; give --out DIR or one format.")
    files = render(folder or (RECORDS if check else RUNS), names)
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


def render(folder: Path, formats: list[str]) -> dict[str, str]:
    """The text of every table file of a folder of records, by file name.

    Raises:
        UserError: the folder is missing or holds no record, or a file in it is no record.
    """
    found = boards(record.each(folder))
    if not found:
        raise UserError(f"there is no record in {folder}; run python -m bench.run first, or name another.")
    return {f"{NAME}.{name}": FORMATS[name](found) for name in formats}


def write(files: dict[str, str], out: Path) -> None:
    """Write table files and tell where they are.

    Raises:
        UserError: the folder cannot be written.
    """
    for name, text in files.items():
        try:
            record.replace_file(out / name, text)
        except OSError as error:
            raise UserError(
                f"cannot write {out / name}: {error.strerror or error}; choose another --out."
            ) from error
        print(out / name)


def verify(files: dict[str, str], tables: Path) -> None:
    """Compare table files with what they should be, byte by byte.

    Raises:
        typer.Exit: code 1, after one sentence on stderr for every file that is missing or stale.
    """
    stale = [tables / name for name, text in files.items() if not _holds(tables / name, text)]
    for path in stale:
        state = "stale" if path.exists() else "missing"
        print(f"error: {path} is {state}; run make table and commit it.", file=sys.stderr)
    if stale:
        raise typer.Exit(1)
    print(f"{len(files)} tables in {tables} are what their records render to.")


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


if __name__ == "__main__":
    console.main(app, "python -m bench.table")
