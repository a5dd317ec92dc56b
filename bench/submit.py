"""python -m bench.submit: verified records of a home as the branch or the archive that a pull request needs."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.audit import packing, publishing, submitting
from bench.command import console, flags
from bench.jobs.store import Store
from bench.records import provenance, record
from bench.records.published import RECORDS
from bench.records.published import folder as published_folder
from bench.records.record import SUBMITTER
from tickets import atomic
from tickets.errors import UserError

if TYPE_CHECKING:
    from bench.audit.replica import Data

app = console.application()

LETTER = "SUBMISSION.md"
TABLES = "results/tables"


@app.command()
def submit(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Who submits them, as tables shall say.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.tar.gz", help="The archive, to be unpacked in a checkout.")
    ] = Path("submission.tar.gz"),
    branch: Annotated[
        str | None, typer.Option("--branch", metavar="BRANCH", help="Make this branch of the checkout instead.")
    ] = None,
    home: Annotated[Path, typer.Option("--home", help="Whose records: the folder that bench.run wrote to.")] = Path(
        "runs"
    ),
    source: flags.DrawnOn = None,
    target: flags.TrainedOn = None,
    drawer: flags.DrawnBy = None,
    rescore: flags.Rescore = True,
    data_root: flags.DataRoot = None,
    data: flags.Data = None,
) -> None:
    """Make a pull request of a home's records: verified, checked, in your name, with the tables that they change.

    Records that are not published yet are verified as python -m bench.publish does, say then that they are submitted
    by NAME, and are checked as python -m bench.check results does. Where one is refused, nothing is written. The
    branch has one commit on top of the checkout's, whose files stay as they are; the archive holds the same files and
    SUBMISSION.md, the text of the pull request.

    Examples:

    python -m bench.submit --name "Ada Lovelace" --drawer mine

    python -m bench.submit --name "Ada Lovelace" --branch rows-of-mine
    """
    if not SUBMITTER.fullmatch(name):
        raise UserError(f"--name '{name}' is no name of 1 to 60 characters without | < > [ ] ` and \\; give yours.")
    keep, store, root = publishing.filters(source, target, drawer), Store(home), provenance.checkout()
    if branch is None:
        flags.out_file(out, (".gz", ".tgz"))
    else:
        packing.check_branch(root, branch)
    publishing.paths(store)
    places = flags.places(data_root, data)
    from bench.audit.replica import Data
    from bench.jobs.display import Display

    with Display() as display, tempfile.TemporaryDirectory(prefix="ticketbench-") as folder:
        known = Data(places, display)
        copies = _copies(publishing.Publisher(store, Path(folder) / "verified", known if rescore else None), keep)
        records = _signed(copies, name, Path(folder) / "signed", known)
        files, lacks = _files(records, Path(folder) / "together")
    text = submitting.letter(records, name, lacks)
    for line in lacks:
        print(f"note    {line}")
    if branch is not None and root is not None:
        made = packing.branch(root, branch, files, text)
        print(f"{len(records)} records on the branch {branch} ({made[:10]}) of {root}")
        print(f"next: git push YOUR-FORK {branch}, and open a pull request with it")
        return
    atomic.write(out, packing.archive({**files, LETTER: text}))
    print(f"{len(records)} records in {out}")
    print(f"next: tar xzf {out} in a checkout, commit results/, and open a pull request that says what {LETTER} says")


def _copies(publisher: publishing.Publisher, keep: publishing.Keep) -> list[Path]:
    """The verified records' files.

    Raises:
        UserError: there are none.
        typer.Exit: code 1, after a line for each that is refused.
    """
    known: set[str] = set()
    with suppress(UserError):  # an installed wheel has no published records beside it
        known = {path.stem for path in published_folder().glob("*.json")}
    found = list(submitting.fit(publisher, keep, known))
    for path, why in found:
        if why is not None:
            print(f"{publishing.REFUSED:<11}{path.stem}: {why}")
    if any(why is not None for _, why in found):
        print("nothing was written; mend what is refused, or leave it out by --drawer, --source or --target.")
        raise typer.Exit(1)
    if not found:
        raise UserError(
            f"no record in {publisher.store.records} is what was asked for and not published; ask for less, or name "
            "another --home."
        )
    return [path for path, _ in found]


def _signed(copies: list[Path], name: str, folder: Path, data: Data) -> list[record.Record]:
    """The records in the submitter's name, checked.

    Raises:
        typer.Exit: code 1, after a line for each mistake.
    """
    records = [submitting.signed(record.read(path), name) for path in copies]
    for one in records:
        one.write(folder)
    if mistakes := submitting.wrong(folder, data):
        for line in mistakes:
            print(f"FAILED  {line}")
        print("nothing was written; run these jobs again, or leave them out by --drawer, --source or --target.")
        raise typer.Exit(1)
    return records


def _files(records: list[record.Record], together: Path) -> tuple[dict[str, str], list[str]]:
    """What changes in the repository, by path, and what rows lack; tables only where the others' rows are there."""
    files = {f"{RECORDS.as_posix()}/{one.id}.json": one.to_json() for one in records}
    try:
        theirs = published_folder()
    except UserError as error:
        return files, [f"the tables are left to the maintainers: {error}"]
    from bench.table import COMMITTED, parse_formats, render

    together.mkdir()
    for path in theirs.glob("*.json"):
        shutil.copyfile(path, together / path.name)
    for one in records:
        one.write(together)
    tables = render(together, parse_formats(COMMITTED))
    lacks = submitting.missing(record.each(together), records[0].origin)
    return files | {f"{TABLES}/{file}": str(text) for file, text in tables.items()}, lacks


if __name__ == "__main__":
    console.main(app, "python -m bench.submit")
