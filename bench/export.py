"""python -m bench.export: a network or a ticket, small, for deployment: in ONNX or as a torch.export program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.command import console, flags
from bench.inventory import called
from tickets.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from tasks.network import Kept
    from tickets.deploy.export import Face
    from tickets.deploy.padding import Tried

app = console.application()

WEIGHTS: tuple[Literal["ema", "raw"], ...] = ("ema", "raw")
DYNAMIC = "dynamic"
MOST = 256
"""Images that the ranges of activations are measured on at most."""


@dataclass(frozen=True)
class Asked:
    """What was asked for, beside the network.

    Args:
        out: the file.
        size: (H, W) of the images; None for those that it was trained with.
        masked: keep dead units.
        threads: of ONNX Runtime, while paddings are timed.
        int8: a folder of images to measure ranges on, `DYNAMIC`, or None for no quantisation.
    """

    out: Path
    size: tuple[int, int] | None
    masked: bool
    threads: int
    int8: str | None


@app.command()
def export(
    ticket: Annotated[
        str, typer.Argument(metavar="NETWORK", help="A trained network or a ticket: either file, or a record's id.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="NAME.onnx, or NAME.pt2 for torch.export.")],
    size: Annotated[
        str | None, typer.Option("--size", metavar="HxW", help="Size of the images.", show_default="as it was trained")
    ] = None,
    head: Annotated[
        bool | None,
        typer.Option("--head/--no-head", help="With its head.", show_default="networks with, tickets without"),
    ] = None,
    int8: Annotated[
        str | None,
        typer.Option(
            "--int8",
            metavar="IMAGES",
            help="Quantise an ONNX file with its head: a folder of images to measure ranges on, or dynamic.",
        ),
    ] = None,
    weights: Annotated[str, typer.Option("--weights", help="ema, those the ticket was scored with, or raw.")] = "ema",
    masked: Annotated[bool, typer.Option("--masked", help="Keep dead units: do not compact.")] = False,
    threads: Annotated[int, typer.Option("--threads", help="Of ONNX Runtime, while paddings are timed.", min=1)] = 1,
    home: Annotated[Path, typer.Option("--home", help="Where a record's id is looked for.")] = Path("runs"),
    data_root: flags.DataRoot = None,
    data: flags.Data = None,
) -> None:
    """Write a trained network whole: RGB images (B, 3, H, W) of levels 0 to 255 -> the head's outputs, normalisation
    inside, names in the metadata; B is free, and H and W are where the architecture allows. Or a ticket's host alone,
    normalised images -> feature maps; B is free.

    What is dead is left out; outputs stay. An ONNX file is tried with ONNX Runtime before it is kept: as it is and
    with units of zeros that fill the blocks of channels which ONNX Runtime computes in; the fastest stays.

    Examples:

    python -m bench.export runs/networks/NAME.json --out whole.onnx

    python -m bench.export NETWORK --out small.onnx --int8 photographs

    python -m bench.export runs/tickets/draw_cls-figures_supertickets_s0.9_seed0-0123456789.json --out host.onnx
    """
    flags.out_file(out, (".onnx", ".pt2"))
    chosen = flags.one_of(weights, WEIGHTS, "weights")
    asked = Asked(out, None if size is None else flags.image_size(size), masked, threads, int8)
    if int8 is not None and (out.suffix != ".onnx" or head is False):
        raise UserError("--int8 quantises ONNX files of whole networks; give --out NAME.onnx, and no --no-head.")
    stem = called.located(ticket, home)
    from tasks.network import is_network
    from tickets.ticket_set import load

    if head is None:
        head = is_network(load(stem)) or int8 is not None
    if not head:
        _host(stem, chosen, asked)
        return
    if chosen != "ema":
        raise UserError("a network with its head has the averaged weights alone; leave --weights raw out, or the head.")
    from bench.inventory.answering import opened

    _whole(opened(stem, home, flags.places(data_root, data)), asked)


def _host(stem: Path, weights: Literal["ema", "raw"], asked: Asked) -> None:
    """Write a host alone."""
    from tickets.deploy.compact import compact
    from tickets.deploy.export import HOST
    from tickets.ticket_set import single

    found = single(stem, "bench.export writes")
    size = asked.size or tuple(found.provenance["size"])
    host = found.build(weights)
    module = host if asked.masked else compact(host)
    told = _written(module, size, asked, HOST)
    _tell([host], [module], size)
    print(*told, f"written: {asked.out}", sep="\n")


def _whole(kept: Kept, asked: Asked) -> None:
    """Write host and head behind the normalisation; of a set all of its networks, merged."""
    from tickets.deploy.compact import compact
    from tickets.deploy.whole import Whole, together
    from tickets.training.ensemble import parts_of

    if not kept.task.exported:
        raise UserError(
            f"networks of {kept.name} are given noise from outside, which no file holds; write the host alone by "
            "--no-head."
        )
    calibration = _calibration(kept, asked)
    size = asked.size or kept.task.size
    networks = parts_of(kept.network)
    hosts = [one.get_submodule("host") for one in networks]
    cut = hosts if asked.masked else [compact(host) for host in hosts]
    module = Whole(together(networks, cut, kept.task.merge)).eval()
    told = _freely(module, size, asked, _face(kept, size))
    if asked.int8 is not None:
        from tickets.deploy.int8 import quantise

        try:
            quantise(asked.out, calibration)
        except UserError:
            asked.out.unlink()
            raise
        ranges = f"by the ranges on {len(calibration)} images" if calibration else "activations at each run"
        told.append(f"quantised to 8 bits, {ranges}; {asked.out.stat().st_size:,} bytes")
    _tell(hosts, cut, size)
    print(*told, f"written: {asked.out}", sep="\n")


def _face(kept: Kept, size: tuple[int, int]) -> Face:
    """What an exported network tells of itself; values that are no text are JSON."""
    import json

    from tickets.deploy.export import Face

    told = kept.found.provenance.get("network", {})
    names = json.dumps(list(kept.task.info.names), ensure_ascii=False)
    return Face(
        (kept.task.exported,),
        metadata={
            "task": kept.name,
            "kind": kept.task.info.kind,
            "names": names,
            "size": f"{size[0]}x{size[1]}",
            "input": "image: RGB, float32 of 0 to 255, (batch, 3, height, width); normalised inside",
            "output": f"{kept.task.exported}, of the names in their order",
            "record": str(told.get("record", "")),
            "sparsity": f"{kept.found.sparsity:.6g}",
        },
    )


def _calibration(kept: Kept, asked: Asked) -> list[np.ndarray]:
    """The images that ranges are measured on, as the file is given them; none where nothing or `DYNAMIC` was asked.

    Raises:
        UserError: there is no such folder, or an image cannot be read.
    """
    if asked.int8 in (None, DYNAMIC):
        return []
    import numpy as np

    from tasks.data.files import files_below, rgb
    from tasks.data.own import SUFFIXES
    from tasks.views.batches import denormalise

    folder = Path(str(asked.int8))
    if not folder.is_dir():
        raise UserError(f"--int8 is {folder}, which is no folder; give one of images to measure ranges on, or dynamic.")
    task = replace(kept.task, pipeline="resized", size=asked.size or kept.task.size)
    files = [folder / name for name in files_below(folder, SUFFIXES)[:MOST]]
    return [denormalise(task.sight(np.asarray(rgb(file, upright=True)))["image"]).float().numpy() for file in files]


def _freely(module: nn.Module, size: tuple[int, int], asked: Asked, face: Face) -> list[str]:
    """Write the file with free sides where the network can be traced so, else with those of `size`."""
    from tickets.deploy.same import with_free_sides

    if (free := with_free_sides(module, size, face)) is not None:
        traced, shown = free
        sides = f", in multiples of {shown.step}" if shown.step > 1 else ""
        try:
            return [*_written(traced, size, asked, shown), f"height and width are free{sides}"]
        except UserError:
            raise
        except Exception:  # tracers refuse free sides with many kinds of error
            pass
    return [
        *_written(module, size, asked, face),
        f"height and width are {size[0]}x{size[1]}: the architecture allows no others",
    ]


def _written(module: nn.Module, size: tuple[int, int], asked: Asked, face: Face) -> list[str]:
    """Write the file; what was decided on the way, a line each."""
    from tickets.deploy.export import to_program
    from tickets.deploy.padding import to_fastest_onnx

    if asked.out.suffix != ".onnx":
        to_program(module, size, asked.out, face)
        return []
    kept, *others = to_fastest_onnx(module, size, asked.out, asked.threads, face)
    plain = min((kept, *others), key=lambda one: one.multiple)
    if not plain.units:
        return []
    where = f"ONNX Runtime at {size[0]}x{size[1]}, one image, {asked.threads} thread{'s' * (asked.threads != 1)}"
    return [
        f"{where}: {', '.join(_timed(one) for one in (kept, *others))}; the first is kept",
        f"hidden units: {plain.units:,}, with units of zeros {kept.units:,}",
    ]


def _tell(hosts: list[nn.Module], cut: list[nn.Module], size: tuple[int, int]) -> None:
    """Print what was cut of hosts, and their MACs before and after."""
    from tickets.cost import dense_macs, layer_costs
    from tickets.deploy.compact import removed

    gone = [removed(host, left) for host, left in zip(hosts, cut, strict=True)]
    units, channels, blocks = (sum(getattr(one, name) for one in gone) for name in ("units", "channels", "blocks"))
    macs = [sum(dense_macs(layer_costs(network, size)) for network in networks) for networks in (hosts, cut)]
    print(f"cut: {units:,} units, {channels:,} channels, {blocks:,} blocks")
    print(f"MACs at {size[0]}x{size[1]}: {macs[0]:,} masked, {macs[1]:,} without what was cut")


def _timed(tried: Tried) -> str:
    """Milliseconds, and what they are of."""
    name = "not padded" if tried.multiple == 1 else f"padded to multiples of {tried.multiple}"
    return f"{tried.seconds * 1000:.3g} ms {name}"


if __name__ == "__main__":
    console.main(app, "python -m bench.export")
