"""python -m bench.claims: registered claims and what the records say of them, on the terminal or in pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.boards import claimed
from bench.boards.verdicts import Bench
from bench.command import console
from bench.numbers import aligned
from bench.records import published, record
from bench.request import claim
from tickets import atomic
from tickets.errors import UserError

PAGES = [Path("docs/claims.md"), Path("docs/further-claims.md")]

app = console.application()


@app.command()
def claims(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Files of claims (*.yaml).")] = claim.FOLDER,
    records: Annotated[Path, typer.Option("--records", metavar="DIR", help="Folder of records.")] = published.RECORDS,
    write: Annotated[bool, typer.Option("--write", help="Bring the tables of --page up to date.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a page is not up to date.")] = False,
    pages: Annotated[
        list[Path] | None,
        typer.Option(
            "--page", metavar="FILE.md", help="Pages with blocks of claims; repeatable.", show_default="docs'"
        ),
    ] = None,
) -> None:
    """Tell of every registered claim what the records say: supported, not supported, undecided.

    Differences are in points. "as first registered" takes tickets of one source and seed as one of several independent
    clusters; "two factors" takes sources and seeds as two samples, so that it says something of other sources;
    "adjusted" is that at the level which Holm's procedure leaves one of so many claims; the verdict follows from it.

    Examples:

    python -m bench.claims

    python -m bench.claims --check

    python -m bench.claims my/claims --records runs/records --write --page my/claims.md
    """
    if write and check:
        raise UserError("--write and --check are both given; leave one out.")
    if pages and not (write or check):
        raise UserError(f"--page {pages[0]} is for --write or --check; give one of them.")
    bench, families = Bench(record.each(records)), list(claim.each(folder))
    found = {one.name: bench.of(one) for one in families}
    if not (write or check):
        for family in families:
            aligned.show(family.name, claimed.HEADER, map(claimed.row, found[family.name]))
        return
    stale = []
    for page in pages or PAGES:
        old = _read(page)
        new = claimed.filled(old, found, str(page))
        if write and old != new:
            atomic.write(page, new.encode())
        stale += [page] if old != new else []
    for page in stale:
        print(page) if write else print(f"error: {page} is stale; run make table and commit it.", file=sys.stderr)
    if check and stale:
        raise typer.Exit(1)
    if check:
        print(f"{len(pages or PAGES)} pages are what the claims in {folder} and their records render to.")


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = (error.strerror or error) if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"cannot read the page {page}: {why}.") from error


if __name__ == "__main__":
    console.main(app, "python -m bench.claims")
