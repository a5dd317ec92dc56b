"""python -m bench.adopt: somebody else's sparse checkpoint as a ticket, measured and verified."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.command import console, flags
from bench.numbers.amounts import percent
from bench.records.setting import exact
from tasks import TASKS
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.patterns import ELEMENT

if TYPE_CHECKING:
    from tickets.adoption import Adopted

app = console.application()

SINGLE = "single weights"


@app.command()
def adopt(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A checkpoint: .safetensors, or a state dict of torch.save.")
    ],
    host: Annotated[str, typer.Option("--host", help="The architecture that it is of, as in timm/resnet18.")],
    source: Annotated[
        str | None, typer.Option("--source", help="Task that it was drawn on.", show_default="unknown")
    ] = None,
    cost: Annotated[
        float | None,
        typer.Option("--cost", metavar="MACS", help="Training MACs of its drawing.", show_default="unknown"),
    ] = None,
    size: Annotated[str, typer.Option("--size", metavar="HxW", help="Images that its MACs are counted for.")] = "224",
    home: Annotated[Path, typer.Option("--home", help="Where the ticket goes, into adopted/.")] = Path("runs"),
) -> None:
    """Make a ticket of a network that was pruned elsewhere: its zeros, or the masks that it carries.

    Read are masks of torch.nn.utils.prune, of torch.ao.pruning and sparsimony, and weight_mask beside weight. Sparsity,
    pattern and counts are measured; source and cost are what you state, and rows say so. Nothing in the file is run.

    Examples:

    python -m bench.adopt pruned.safetensors --host timm/resnet18

    python -m bench.adopt pruned.pth --host timm/resnet18 --source cls/cifar10 --cost 1.2e15
    """
    _check(file, cost)
    height_width, name = flags.image_size(size), HOSTS.resolve(host)
    task = None if source is None else TASKS.resolve(source)
    from tickets.adoption import adopt as adopted

    spec = HOSTS.make(name)
    found = adopted(file, spec, name, height_width, task, None if cost is None else int(cost))
    path = home / f"adopted/{re.sub('[^A-Za-z0-9._-]', '-', file.stem)}-{found.ticket.hash[:10]}"
    found.ticket.save(path)
    print(*_told(found, task, cost, name), f"written: {path}.json", sep="\n")
    sparsity = exact(found.ticket.provenance["sparsity"])
    rival = "--drawer omp" if found.patterns else "--drawer dense"
    print(
        f"next: python -m bench.run --host {name} --source {task or 'cls'} --target seg --sparsity {sparsity} "
        f"{rival},adopted@file={path}.json"
    )


def _check(file: Path, cost: float | None) -> None:
    """Refuse what cannot be a checkpoint, and a cost that is none."""
    if file.is_dir():
        raise UserError(f"{file} is a folder; give the checkpoint in it, a file that ends in .safetensors or .pth.")
    if not file.is_file():
        raise UserError(f"there is no file {file}; give a checkpoint that ends in .safetensors or .pth.")
    if cost is not None and not (math.isfinite(cost) and cost >= 0):
        raise UserError(f"--cost is {cost:g}; give the training MACs of the drawing, at least 0, or leave it out.")


def _told(found: Adopted, task: str | None, cost: float | None, host: str) -> list[str]:
    """What was measured, and what was stated, a line each."""
    ticket, of = found.ticket, len(found.ticket.host.masks)
    gone = ticket.prunable - ticket.kept
    zeros = f"its {found.chance:,} zeros are there by chance" if found.chance else "its zeros taken"
    where = f"{found.entries} carried by the file" if found.entries else f"none carried by the file, {zeros}"
    lost = sum(found.patterns.values())
    layers = [f"{SINGLE if name == ELEMENT else name} in {n}" for name, n in sorted(found.patterns.items())]
    dense = "" if gone else ": it is dense"
    return [
        f"host: {host}, {of} layers",
        f"masks: {where}",
        f"sparsity: {percent(ticket.sparsity)}, {gone:,} of {ticket.prunable:,} weights are gone{dense}",
        f"pattern: {', '.join(layers)} of the {lost} layers that lost weights" if lost else "pattern: none",
        f"source: {task}, as you state" if task else "source: unknown",
        "drawing cost: "
        + (f"{cost:.4g} MACs, as you state" if cost is not None else "unknown, so that rows have no rank"),
    ]


if __name__ == "__main__":
    console.main(app, "python -m bench.adopt")
