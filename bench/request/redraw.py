"""The command that draws a record's ticket again: made of the record's fields, never of what a file says it is."""

from __future__ import annotations

import shlex

from bench.records.record import Record
from bench.records.setting import Setting, exact
from bench.request import kernels, ranks
from tickets.errors import UserError

START = "python -m bench.run "


def command(source: str, drawer: str, sparsity: float, seed: int, setting: Setting, is_elsewhere: bool) -> str:
    """What draws a ticket and does nothing else, quoted for a shell, with all digits of its numbers.

    Args:
        source: the task that it is drawn on.
        drawer: with its options.
        sparsity: asked for.
        seed: of the job.
        setting: of the draw.
        is_elsewhere: whether the task's name was given with a folder, which whoever draws again has to name.
    """
    asked = {"source": source, "target": "none", "drawer": drawer, "sparsity": exact(sparsity), "seed": str(seed)}
    flags = [f"--{name} {shlex.quote(value)}" for name, value in asked.items()]
    own = [f"--data {shlex.quote(folder(source))}"] if is_elsewhere else []
    start = f"{ranks.START.format(setting.ranks)} " if setting.ranks > 1 else START
    return start + " ".join([*flags, *own, setting.flags])


def folder(source: str) -> str:
    """What `--data` says of a task whose folder is somebody's own."""
    return f"{source}=FOLDER"


def of(found: Record) -> str | None:
    """The command of a record that tells of one; None where there is nothing to draw, or the record tells of none."""
    job = found.job
    if job.source is None or found.redraw is None:
        return None
    is_elsewhere = f" --data {shlex.quote(folder(job.source))} " in found.redraw
    return command(job.source, job.drawer, job.sparsity, job.seed, drawn_under(found), is_elsewhere)


def drawn_under(found: Record) -> Setting:
    """The setting of the draw; a host that is not known here is taken for one of the same blocks."""
    if (host := found.job.host_drawn) is None:
        return found.setting
    try:
        return kernels.moved(found.setting, host)
    except UserError:
        return found.setting.model_copy(update={"host": host})
