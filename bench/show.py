"""python -m bench.show: what a record says, what is inside a ticket, or what lies in a home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.command import console, flags
from tickets.errors import UserError

app = console.application()


@app.command()
def show(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A record or its id, a ticket or a network: either file.", show_default=False
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="HxW", help="Input to count a ticket's MACs for.", show_default="its source's"),
    ] = None,
    layers: Annotated[bool, typer.Option("--layers/--no-layers", help="Show a ticket's layers, too.")] = True,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Draw the surviving architecture: .png, .svg or .pdf.")
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="What a home and the cache take, and what no record needs.")
    ] = False,
    home: Annotated[Path, typer.Option("--home", help="The home of --store, and of ids.")] = Path("runs"),
) -> None:
    """Show a record: job, scores, those by class, costs. Or a ticket: architecture, live units, sparsity per layer;
    a trained network likewise, with its task; or a set of them: its members. Or, with --store, what lies on the disk.

    Examples:

    python -m bench.show runs/tickets/draw_cls-figures_supertickets_s0.9_seed0-0123456789.json

    python -m bench.show runs/tickets/TICKET.json --no-layers --out architecture.png

    python -m bench.show --store --home runs
    """
    if store:
        if file is not None:
            raise UserError(f"--store shows a home and got the file {file}; leave one out, or name a home by --home.")
        from bench.views import store as show_store

        show_store.show(home)
        return
    if file is None:
        raise UserError("there is nothing to show; name a record or a ticket, or give --store.")
    from bench.inventory import called

    if (told := called.record_of(file, home)) is not None:
        from bench.views import record as show_record

        show_record.show(told)
        return
    wanted = None if size is None else flags.image_size(size)
    if out is not None:
        flags.out_file(out, (".png", ".svg", ".pdf"))
    from bench.views import ticket as show_ticket
    from tickets.ticket_set import TicketSet

    found = called.load(file, home)
    if isinstance(found, TicketSet) and out is None:
        show_ticket.show_set(found, wanted)
    else:
        show_ticket.show(called.single(file, home, "--out draws"), wanted, layers, out)


if __name__ == "__main__":
    console.main(app, "python -m bench.show")
