"""python -m bench.check: proves that what people add keeps its contract; one line a check."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from bench import console, flags
from bench import scale as scales
from tasks import TASKS

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def check() -> None:
    """Check what is added to the suite against its contract.

    Examples:

    python -m bench.check task seg/figures

    python -m bench.check task cls/folder --data-root DIR
    """


@app.command()
def task(
    name: Annotated[str, typer.Argument(metavar="KIND/NAME", help="The task, as python -m bench.run --list.")],
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", help="Folder that holds the data set's own.", envvar="TICKETBENCH_DATA"),
    ] = None,
    scale: Annotated[str, typer.Option("--scale", help="Input size, pipeline and kind of head.")] = "tiny",
) -> None:
    """Check a task's adapter: its data, batches, head, loss, metric and pictures.

    The data are decoded into the cache first, as a run does. Exit code 1 where a check fails, 2 where the data are
    missing or a file is broken, which is named.

    Examples:

    python -m bench.check task pose/figures

    python -m bench.check task seg/camvid --data-root DIR --scale rehearsal
    """
    chosen, name = scales.load(scale), TASKS.resolve(name)
    adapter = chosen.plan(name).task(name, flags.data_root(data_root))
    adapter.locate()
    from bench.display import Display
    from tasks.contract import CHECKS, Subject, verdicts

    with Display() as display:
        adapter.prepare(os.cpu_count() or 1, lambda *at: display.preparing(name, *at))
    print(f"{name} at {adapter.size[0]}x{adapter.size[1]}, {adapter.pipeline} pipeline: {len(CHECKS)} checks")
    count: Counter[str] = Counter()
    for found in verdicts(Subject(name, adapter, chosen.heads)):
        count[found.outcome] += 1
        print(f"{found.outcome:<8}{found.check}: {found.detail}")
        sys.stdout.flush()
    print(f"{count['passed']} passed, {count['FAILED']} failed, {count['skipped']} skipped")
    if count["FAILED"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    console.main(app, "python -m bench.check")
