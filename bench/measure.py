"""python -m bench.measure: how much faster than dense tickets are on this machine, and how small, for the tables."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from bench.command import console, flags
from bench.numbers.amounts import percent
from bench.records import provenance, speeds
from bench.records.speeds import Speeds
from tickets.errors import UserError

HOME = Path("runs")

app = console.application()


@app.command()
def measure(
    tickets: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[TICKETS]...", help="Tickets, either file of each (default: all of the home).", show_default=False
        ),
    ] = None,
    home: Annotated[
        Path, typer.Option("--home", help="Its speed.json is written, and its tickets are the default.")
    ] = HOME,
    size: Annotated[
        str | None, typer.Option("--size", metavar="HxW", help="Of the image.", show_default="each ticket's source's")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", help="Of ONNX Runtime.", min=1)] = 1,
    rounds: Annotated[int, typer.Option("--rounds", help="Measured rounds over all of a host.", min=1)] = 11,
    force: Annotated[bool, typer.Option("--force", help="Measure also what was measured before.")] = False,
) -> None:
    """Time tickets without what is dead against their dense hosts, in turn, and weigh their ONNX files.

    Tables of the home's records then show both (bench.table). Let the machine do nothing else meanwhile.

    Examples:

    python -m bench.measure

    python -m bench.measure runs/tickets/draw_cls-figures_supertickets_s0.9_seed0-0123456789.json --size 224
    """
    wanted = None if size is None else flags.image_size(size)
    files = _files(tickets, home)
    from bench.speed.tickets import Beside, Seen, seen

    path = home / speeds.NAME
    known = _known(path, threads, force)
    looked = {file: seen(file, wanted) for file in files}
    for file, why in looked.items():
        if isinstance(why, str):
            print(f"left out {file.stem}: {why}.")
    found = [one for one in looked.values() if isinstance(one, Seen)]
    todo = [one for one in found if one.hash not in known.tickets or known.tickets[one.hash].size != one.size]
    beside = Beside(threads, rounds, lambda name: print(f"exporting {name}", flush=True))
    for one, timed in beside.measured(todo):
        known = known.model_copy(update={"tickets": {**known.tickets, one.hash: timed}})
        known.save(path)
        print(
            f"{one.file.stem}: {timed.faster:.2f}x as fast as dense ({timed.low:.2f} to {timed.high:.2f}; "
            f"{timed.ms:.3g} ms for {timed.dense_ms:.3g} ms), file {timed.mb:.3g} MB, {percent(timed.share)} of dense",
            flush=True,
        )
    print(f"{len(todo)} measured, {len(found) - len(todo)} known before: {path}")


def _files(tickets: list[Path] | None, home: Path) -> list[Path]:
    """The description files of what is to be measured."""
    from tickets.ticket import stem_of

    if tickets:
        return [stem.with_name(f"{stem.name}.json") for stem in map(stem_of, tickets)]
    found = sorted((home / "tickets").glob("*.json"))
    if not found:
        raise UserError(f"there is no ticket in {home / 'tickets'}; run python -m bench.run first, or name tickets.")
    return found


def _known(path: Path, threads: int, force: bool) -> Speeds:
    """What a file holds already; nothing where it is to be measured anew.

    Raises:
        UserError: it was measured by something else, or it is damaged.
    """
    here = Speeds(machine=provenance.machine(), engine=_engine(), threads=threads, tickets={})
    found = None if force else speeds.read(path)
    if found is None:
        return here
    if not found.fits(here):
        raise UserError(
            f"{path} was measured on {found.by}, and this is {here.by}; speeds of two do not compare: give another "
            "--home, or --force to measure all anew."
        )
    return found


def _engine() -> str:
    """ONNX Runtime and its version."""
    try:
        return f"onnxruntime {version('onnxruntime')}"
    except PackageNotFoundError as error:
        raise UserError(
            "bench.measure needs onnxruntime, not installed here; pip install 'ticketbench[export]'."
        ) from error


if __name__ == "__main__":
    console.main(app, "python -m bench.measure")
