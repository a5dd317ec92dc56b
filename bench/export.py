"""python -m bench.export: a ticket as a small network for deployment, in ONNX or as a torch.export program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.command import console, flags

app = console.application()

WEIGHTS: tuple[Literal["ema", "raw"], ...] = ("ema", "raw")


@app.command()
def export(
    ticket: Annotated[Path, typer.Argument(metavar="TICKET", help="A ticket: either of its two files.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="NAME.onnx, or NAME.pt2 for torch.export.")],
    size: Annotated[
        str | None, typer.Option("--size", metavar="HxW", help="Size of the images.", show_default="its source's")
    ] = None,
    weights: Annotated[str, typer.Option("--weights", help="ema, those the ticket was scored with, or raw.")] = "ema",
    masked: Annotated[bool, typer.Option("--masked", help="Keep dead units: do not compact.")] = False,
) -> None:
    """Write a ticket's host without what is dead: images (B, 3, H, W) -> feature maps; B stays free.

    Outputs are those of the masked ticket. An ONNX file is tried with ONNX Runtime before it is kept.

    Examples:

    python -m bench.export runs/tickets/draw_cls-figures_supertickets_s0.9_seed0-0123456789.json --out small.onnx

    python -m bench.export TICKET --out small.pt2 --size 256x192
    """
    flags.out_file(out, (".onnx", ".pt2"))
    chosen = flags.one_of(weights, WEIGHTS, "weights")
    wanted = None if size is None else flags.image_size(size)
    from tickets.cost import dense_macs, layer_costs
    from tickets.deploy.compact import compact, removed
    from tickets.deploy.export import to_onnx, to_program
    from tickets.ticket import Ticket

    found = Ticket.load(ticket)
    height_width = wanted or tuple(found.provenance["size"])
    host = found.build(chosen)
    module = host if masked else compact(host)
    (to_onnx if out.suffix == ".onnx" else to_program)(module, height_width, out)
    cut = removed(host, module)
    macs = [dense_macs(layer_costs(network, height_width)) for network in (host, module)]
    print(f"cut: {cut.units:,} units, {cut.channels:,} channels, {cut.blocks:,} blocks")
    print(f"MACs as executed at {height_width[0]}x{height_width[1]}: {macs[0]:,} masked, {macs[1]:,} written")
    print(f"written: {out}")


if __name__ == "__main__":
    console.main(app, "python -m bench.export")
