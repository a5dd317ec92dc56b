"""python -m bench.publish: copies a home's records to the published ones, each after it was verified."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from bench.audit import publishing
from bench.audit.publishing import DONE, PORTRAYED, REFUSED, THERE, Publisher
from bench.command import console, flags
from bench.jobs.store import Store
from tickets.errors import UserError

app = console.application()


@app.command()
def publish(
    home: Annotated[Path, typer.Option("--home", help="Whose records: the folder that bench.run wrote to.")] = Path(
        "runs"
    ),
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder of published records.")] = Path(
        "results/records"
    ),
    source: flags.DrawnOn = None,
    target: flags.TrainedOn = None,
    drawer: flags.DrawnBy = None,
    tickets: Annotated[
        Path | None,
        typer.Option("--tickets", metavar="DIR", help="Where the tickets of draws go along.", show_default="nowhere"),
    ] = None,
    only_portraits: Annotated[
        bool,
        typer.Option("--portraits", help="Nothing but portraits, of draws whose record is published already."),
    ] = False,
    rescore: flags.Rescore = True,
    data_root: flags.DataRoot = None,
    data: flags.Data = None,
) -> None:
    """Copy records that are complete, clean and verified, byte for byte; nothing is overwritten with other content.

    A draw is published when its ticket, loaded from its file, has the recorded hash and gives every recorded score
    again, to the last digit. The network that a transfer trained is not stored: it is published when its ticket, or
    the control made of it, has the recorded hash, and the ticket's own record is complete and clean. One line a record
    says how it was verified; the record itself does not. Exit code 1 where some are refused. With --tickets, the files
    of published draws are copied, too, to be shared by python -m bench.share, or scored again by others.

    Beside the folder of records goes, of each draw, a portrait: what the page needs to picture its ticket. --portraits
    adds those of jobs that were done again; one whose ticket is another, as another PyTorch draws it, is shown as such.

    Examples:

    python -m bench.publish

    python -m bench.publish --home runs --to results/records --source cls --target none,seg --drawer supertickets,omp

    python -m bench.publish --to shared/records --tickets shared/tickets
    """
    keep = publishing.filters(source, target, drawer)
    store = Store(home)
    paths = publishing.paths(store)
    if to.exists() and not to.is_dir():
        raise UserError(f"{to} is a file; let --to name the folder of published records.")
    if tickets is not None and tickets.exists() and not tickets.is_dir():
        raise UserError(f"{tickets} is a file; let --tickets name the folder of published tickets.")
    places = flags.places(data_root, data)
    from bench.audit.replica import Data
    from bench.jobs.display import Display

    with Display() as display:
        publisher = Publisher(store, to, Data(places, display) if rescore else None, tickets, only_portraits)
        count: Counter[str] = Counter()
        for path in paths:
            if (outcome := publisher.outcome(path, keep)) is not None:
                count[outcome[0]] += 1
                print(f"{outcome[0]:<11}{path.stem}: {outcome[1]}", flush=True)
    if not count:
        raise UserError(f"no record in {store.records} is what was asked for; ask for less, or name another --home.")
    portrayed = f", {count[PORTRAYED]} portrayed" if only_portraits else ""
    print(f"{count[DONE]} published in {to}, {count[THERE]} there already, {count[REFUSED]} refused{portrayed}")
    if count[REFUSED]:
        raise typer.Exit(1)


if __name__ == "__main__":
    console.main(app, "python -m bench.publish")
