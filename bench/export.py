"""python -m bench.export: a ticket as a small network for deployment, in ONNX or as a torch.export program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.command import console, flags

if TYPE_CHECKING:
    from torch import nn

    from tickets.deploy.padding import Tried

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
    threads: Annotated[int, typer.Option("--threads", help="Of ONNX Runtime, while paddings are timed.", min=1)] = 1,
) -> None:
    """Write a ticket's host without what is dead: images (B, 3, H, W) -> feature maps; B stays free.

    Outputs are those of the masked ticket. An ONNX file is tried with ONNX Runtime before it is kept: as it is and
    with units of zeros that fill the blocks of channels which ONNX Runtime computes in; the fastest stays.

    Examples:

    python -m bench.export runs/tickets/draw_cls-figures_supertickets_s0.9_seed0-0123456789.json --out small.onnx

    python -m bench.export TICKET --out small.pt2 --size 256x192
    """
    flags.out_file(out, (".onnx", ".pt2"))
    chosen = flags.one_of(weights, WEIGHTS, "weights")
    wanted = None if size is None else flags.image_size(size)
    from tickets.cost import dense_macs, layer_costs
    from tickets.deploy.compact import compact, removed
    from tickets.ticket_set import single

    found = single(ticket, "bench.export writes")
    height_width = wanted or tuple(found.provenance["size"])
    host = found.build(chosen)
    module = host if masked else compact(host)
    told = _written(module, height_width, out, threads)
    cut = removed(host, module)
    macs = [dense_macs(layer_costs(network, height_width)) for network in (host, module)]
    print(f"cut: {cut.units:,} units, {cut.channels:,} channels, {cut.blocks:,} blocks")
    print(f"MACs at {height_width[0]}x{height_width[1]}: {macs[0]:,} masked, {macs[1]:,} without what was cut")
    print(*told, f"written: {out}", sep="\n")


def _written(module: nn.Module, size: tuple[int, int], out: Path, threads: int) -> list[str]:
    """Write the file; what was decided on the way, a line each."""
    from tickets.deploy.export import to_program
    from tickets.deploy.padding import to_fastest_onnx

    if out.suffix != ".onnx":
        to_program(module, size, out)
        return []
    kept, *others = to_fastest_onnx(module, size, out, threads)
    plain = min((kept, *others), key=lambda one: one.multiple)
    if not plain.units:
        return []
    where = f"ONNX Runtime at {size[0]}x{size[1]}, one image, {threads} thread{'s' * (threads != 1)}"
    return [
        f"{where}: {', '.join(_timed(one) for one in (kept, *others))}; the first is kept",
        f"hidden units: {plain.units:,}, with units of zeros {kept.units:,}",
    ]


def _timed(tried: Tried) -> str:
    """Milliseconds, and what they are of."""
    name = "not padded" if tried.multiple == 1 else f"padded to multiples of {tried.multiple}"
    return f"{tried.seconds * 1000:.3g} ms {name}"


if __name__ == "__main__":
    console.main(app, "python -m bench.export")
