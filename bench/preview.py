"""python -m bench.preview: samples of a task as a picture, with what a ticket says of them beside the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.command import console, flags
from bench.inventory import called
from bench.request import scale as scales
from tasks import TASKS
from tasks.data.samples import SPLITS
from tickets.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from bench.request.scale import Scale
    from tasks.base import Task
    from tickets.ticket import Ticket
    from tickets.ticket_set import TicketSet

app = console.application()

MOST = 64


@app.command()
def preview(
    task: Annotated[str, typer.Option("--task", metavar="KIND/NAME", help="The task, as python -m bench.run --list.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The picture: NAME.png.")],
    ticket: Annotated[
        str | None,
        typer.Option(
            "--ticket",
            "--network",
            metavar="NETWORK",
            help="Predict with a network of this task, or a ticket drawn on it: a file, or a record's id.",
        ),
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="JSON", help="The same with the ticket of this draw's record.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="train, val or test.")] = "train",
    augmented: Annotated[bool, typer.Option("--augmented", help="As training sees them.")] = False,
    count: Annotated[int, typer.Option("--count", min=1, max=MOST, help="How many samples.")] = 8,
    scale: Annotated[
        str | None, typer.Option("--scale", help="Input size and pipeline.", show_default="the record's, or tiny")
    ] = None,
    data_root: flags.DataRoot = None,
    data: flags.Data = None,
    home: Annotated[Path, typer.Option("--home", help="Where a record's id is looked for.")] = Path("runs"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which samples, and how they are augmented.")] = 0,
) -> None:
    """Show samples of a task: input, truth and, with a ticket, prediction side by side.

    Without a ticket nothing needs to be trained: it shows whether a data set is read as it should be. Only the
    samples that are shown are read. A ticket holds the head of the task that it was drawn on and predicts there.

    Examples:

    python -m bench.preview --task seg --out people.png

    python -m bench.preview --task seg/camvid --data-root DIR --split test --ticket TICKET --out roads.png
    """
    places = flags.places(data_root, data)
    name = TASKS.resolve(task)
    flags.out_file(out, (".png",))
    flags.one_of(split, SPLITS, "split")
    if ticket is not None and record is not None:
        raise UserError("--ticket and --record both name a ticket; give one of them.")
    given = ticket if record is None else record
    path = None if given is None else called.located(given, home)
    scale = scale or (_scale(path) if path else None)
    plan = (chosen := scales.load(scale or "tiny")).plan(name)
    adapter = plan.task(name, places.of(name))
    adapter.locate()
    look: Callable[[Any], Any] = adapter.panels
    if path is not None:
        adapter, look = _predictor(path, name, adapter, chosen)
    _draw(adapter, look, split, (count, seed, augmented), name, out)


def _scale(path: Path) -> str | None:
    """The scale that the network or ticket of a home was trained at, by its record."""
    found = called.record_beside(path)
    return found.setting.scale if found else None


def _predictor(path: Path, name: str, task: Task, scale: Scale) -> tuple[Task, Callable[[Any], Any]]:
    """The task at the size that a network is of, and a function from its batches to rows of panels."""
    import torch

    from tickets.ticket_set import load
    from tickets.training.ensemble import parts_of

    found = load(path)
    task = replace(task, size=tuple(found.provenance["size"]))
    network = _network(found, path, name, task, scale)

    @torch.no_grad()
    def look(batch: Any) -> Any:
        networks = parts_of(network)
        each = [task.predict(one, batch) for one in networks]
        rows = task.panels(batch, each[0] if len(each) == 1 else task.merge(each))
        made = task.imagined(networks[0], batch)
        return [(*row, panel) for row, panel in zip(rows, made, strict=True)] if made else rows

    return task, look


def _network(found: Ticket | TicketSet, path: Path, name: str, task: Task, scale: Scale) -> nn.Module:
    """A trained network as it is, or a ticket with the head that it was drawn with.

    Raises:
        UserError: it is of another task, or of other classes or joints.
    """
    from tasks import network
    from tasks.feed import Feed

    told = network.opened(found) if network.is_network(found) else None
    is_drawn, own = told is None, found.provenance["source"] if told is None else told.name
    if own != name:
        raise UserError(f"the {'ticket' if is_drawn else 'network'} {path} was {'drawn' if is_drawn else 'trained'} on "
                        f"{own} and predicts only there, not on {name}; give --task {own}.")  # fmt: skip
    if told and told.task.info.names != task.info.names:
        raise UserError(
            f"the network {path} tells {len(told.task.info.names)} classes or joints, and not those of {name} as it is "
            "now; give the data that it was trained with."
        )
    try:
        return told.network if told else found.network(Feed(name, task, 1, 0, heads=scale.heads))
    except UserError as error:
        raise UserError(
            f"the head of the ticket {path} does not fit {name} at scale {scale.name}; give the --scale and the data "
            "that it was drawn with."
        ) from error


def _draw(
    task: Task, look: Callable[[Any], Any], split: str, which: tuple[int, int, bool], name: str, out: Path
) -> None:
    """Write the sheet, and say which files are on it."""
    from tasks.glimpse import glimpse
    from tasks.picture import sheet

    found = glimpse(task, split, *which)
    panels = [look(one.batch)[0] for one in found]
    size = f"{task.size[0]}x{task.size[1]}"
    caption = f"{name}, {split}, {size}, {'augmented' if which[2] else 'as scored'}"
    names = [f"{number} {one.sample.name}" for number, one in enumerate(found, start=1)]
    try:
        sheet(panels, names, caption).save(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}); name a file in another folder.") from error
    print(f"{caption}: {len(found)} of {len(task.members(split)):,} samples")
    for number, one in enumerate(found, start=1):
        print(f"{number:>3} {one.sample.where}")
    for remark in task.remarks():
        print(f"{name}: {remark}")
    print(f"picture: {out}")


if __name__ == "__main__":
    console.main(app, "python -m bench.preview")
