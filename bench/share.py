"""python -m bench.share: gives tickets, networks and records to others, as a folder or on a Hub, and takes theirs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from bench.command import console
from tickets.errors import UserError

if TYPE_CHECKING:
    from bench.sharing.hub import Repository
    from bench.sharing.shared import Shared

app = console.application()

Endpoint = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="URL", help="Another Hub.", show_default="the public one", envvar="HF_ENDPOINT"),
]


@app.callback()
def share() -> None:
    """Share tickets, trained networks and records with others; all is verified before it goes, and before it comes.

    Examples:

    python -m bench.share push runs/tickets/NAME.json owner/name

    python -m bench.share pull owner/name
    """


@app.command()
def push(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT... [OWNER/NAME]",
            help="Tickets, networks, their records' ids, or one folder of records; then the repository.",
        ),
    ],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Write a folder instead; there is no repository then.")
    ] = None,
    home: Annotated[Path, typer.Option("--home", help="Where a record's id is looked for.")] = Path("runs"),
    licence: Annotated[
        str | None,
        typer.Option("--licence", help="Of the files, as apache-2.0.", show_default="other: the terms of the data"),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository a private one.")] = False,
    endpoint: Endpoint = None,
) -> None:
    """Write files, their records and a card: scores with their settings, picture, licences, evaluation results.

    A repository that is not there is made; of tickets and networks one for models, of records one for data sets.

    Examples:

    python -m bench.share push runs/tickets/NAME.json runs/networks/OTHER.json owner/name

    python -m bench.share push ID --home runs --to shared

    python -m bench.share push results/records owner/records
    """
    what, place = _parted(names, to)
    from bench.audit.replica import Data
    from bench.jobs.display import Display
    from bench.sharing import card, gather, hub
    from bench.sharing.shared import verified

    api = hub.client(endpoint) if to is None else None
    if api is not None:
        hub.signed_in(api, hub.Repository(place))
    with TemporaryDirectory(prefix="ticketbench-") as made, Display() as display:
        folder = Path(made)
        files = gather.gather(what, home, folder)
        goal = _repository(place, files)
        if api is not None:
            hub.refuse_others(api, goal, files)
        elif to is not None:
            gather.refuse_others(to, files)
        found = verified(folder, Data(display=display), "what is pushed")
        called = to.absolute().name if to else str(goal)
        missing = card.write(found, called.rpartition("/")[2], called, licence)
        if to is not None:
            gather.deliver(folder, to)
            done = f"written: {to}"
        elif api is not None:
            done = f"pushed: {hub.send(api, goal, folder, _message(found), private)}"
    _tell(found, home=None)
    print(*missing, done, sep="\n")


@app.command()
def pull(
    name: Annotated[
        str, typer.Argument(metavar="OWNER/NAME[@REVISION]", help="The repository, or a folder that somebody pushed.")
    ],
    home: Annotated[Path, typer.Option("--home", help="The home that gets it.")] = Path("runs"),
    endpoint: Endpoint = None,
) -> None:
    """Take tickets, networks and records of others into a home, where bench.run, bench.show and bench.check find them.

    Only safetensors and JSON files are read, and nothing of them is executed. Both files of a ticket vouch for each
    other, records pass what bench.check results checks, a record tells of its ticket; else nothing is taken over.
    Nothing that the home has is overwritten.

    Examples:

    python -m bench.share pull owner/name@v1

    python -m bench.share pull shared --home theirs
    """
    if home.exists() and not home.is_dir():
        raise UserError(f"{home} is a file; let --home name a folder.")
    from bench.audit.replica import Data
    from bench.jobs.display import Display
    from bench.sharing import hub
    from bench.sharing.shared import put, verified

    asked = None if Path(name).is_dir() else hub.Repository.called(name)
    if asked is None and not Path(name).is_dir():
        raise UserError(f"'{name}' is neither a folder nor a repository; give a folder, or owner/name[@revision].")
    with TemporaryDirectory(prefix="ticketbench-") as fetched, Display() as display:
        place = Path(name)
        if asked is not None:
            place = Path(fetched)
            at = hub.fetch(hub.client(endpoint), asked, place)
        found = verified(place, Data(display=display), name)
        written, there = put(found, home)
    _tell(found, home)
    where = f"{at.name} at {at.revision}" if asked is not None else name
    print(f"pulled from {where}: {written} files written, {there} there already")


def _parted(names: Sequence[str], to: Path | None) -> tuple[list[str], str]:
    """What is pushed, and the repository; "" where it goes into a folder.

    Raises:
        UserError: one of the two is missing, or is no such thing.
    """
    from bench.sharing.hub import Repository

    if to is not None:
        if to.exists() and not to.is_dir():
            raise UserError(f"{to} is a file; let --to name a folder.")
        return list(names), ""
    *what, place = names
    called = Repository.called(place)
    if called is None or called.revision or Path(place).exists():
        raise UserError(f"'{place}' is no repository to push to; end with owner/name, or give --to FOLDER.")
    if not what:
        raise UserError(f"nothing is named that shall go to {place}; name tickets, networks or records before it.")
    return what, place


def _repository(place: str, files: Sequence[str]) -> Repository:
    """Where a push goes: tickets and networks are models, records alone a data set."""
    from bench.sharing import layout
    from bench.sharing.hub import DATASET, MODEL, Repository

    return Repository(place.removeprefix("datasets/"), kind=MODEL if any(layout.stems(files)) else DATASET)


def _message(found: Shared) -> str:
    if not found.pairs:
        return f"{len(found.records)} records"
    more = f" and {len(found.pairs) - 1} more" if found.pairs[1:] else ""
    return f"{found.pairs[0].name}{more}"


def _tell(found: Shared, home: Path | None) -> None:
    """One line for each ticket and network, and one for the records."""
    for pair in found.pairs:
        where = f"{home / pair.room / pair.name}.json" if home else pair.name
        scored = pair.record.scores if pair.record else None
        score = f"{scored.primary} {scored.score:.4f} in its record" if scored else "without a record"
        print(f"{pair.room.removesuffix('s')} {where}: verified, {score}")
    print(f"records: {len(found.records)}, checked")
    for text in found.notes:
        print(f"note: {text}")


if __name__ == "__main__":
    console.main(app, "python -m bench.share")
