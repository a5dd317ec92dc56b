"""python -m bench.check: proves that what people add keeps its contract; one line a check."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.command import console, flags
from bench.request import scale as scales
from tasks import TASKS
from tickets import contract
from tickets.contract.promise import Verdict
from tickets.errors import UserError
from tickets.plain import plain


class Commands(typer.core.TyperGroup):
    """Commands whose names may end in a slash, as a shell completes the name of the folder results."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first argument names."""
        return super().resolve_command(ctx, [args[0].rstrip("/"), *args[1:]])


app = console.application(cls=Commands)


@app.callback()
def check() -> None:
    """Check what is added to the suite: an adapter, a method, submitted records, a published score.

    Examples:

    python -m bench.check task seg/figures

    python -m bench.check drawer imp@rounds=3

    python -m bench.check results results/records
    """


@app.command()
def task(
    name: Annotated[str, typer.Argument(metavar="KIND/NAME", help="The task, as python -m bench.run --list.")],
    data_root: flags.DataRoot = None,
    data: flags.Data = None,
    scale: Annotated[str, typer.Option("--scale", help="Input size, pipeline and kind of head.")] = "tiny",
) -> None:
    """Check a task's adapter: its data, batches, head, loss, metric and pictures.

    The data are decoded into the cache first, as a run does. Exit code 1 where a check fails, 2 where the data are
    missing or a file is broken, which is named.

    Examples:

    python -m bench.check task pose/figures

    python -m bench.check task seg/camvid --data-root DIR --scale rehearsal
    """
    places = flags.places(data_root, data)
    chosen, name = scales.load(scale), TASKS.resolve(name)
    adapter = chosen.plan(name).task(name, places.of(name))
    adapter.locate()
    from bench.jobs.display import Display
    from tasks.contract import CHECKS, Subject, verdicts

    with Display() as display:
        adapter.prepare(os.cpu_count() or 1, lambda *at: display.preparing(name, *at))
        display.remarks({name: adapter})
    print(f"{name} at {adapter.size[0]}x{adapter.size[1]}, {adapter.pipeline} pipeline: {len(CHECKS)} checks")
    _tell(verdicts(Subject(name, adapter, chosen.heads)))


def _tell(verdicts: Iterable[Verdict]) -> None:
    """Print verdicts as they come, a line each, and leave with 1 where a check fails."""
    count: Counter[str] = Counter()
    for found in verdicts:
        count[found.outcome] += 1
        print(f"{found.outcome:<8}{found.check}: {found.detail}")
        sys.stdout.flush()
    warned = f", {count['warning']} with a warning" if count["warning"] else ""
    print(f"{count['passed'] + count['warning']} passed{warned}, {count['FAILED']} failed, {count['skipped']} skipped")
    if count["FAILED"]:
        raise typer.Exit(1)


LOOKED_AT = {
    "drawer": ("gmp", "imp@rounds=3", "masks, counts, seeds, resuming, costs and what it leaves alone"),
    "recipe": ("finetune", "frozen", "start, loss, masks after training, resuming and costs"),
    "transform": ("random", "random", "the ticket that it makes and the one that it is given"),
    "host": ("supernet/tiny", "timm/resnet18", "maps, gradients, first weights, costs, units and description"),
    "scorer": ("magnitude", "snip@batches=2", "scores, seeds, costs and what it leaves alone"),
    "pattern": ("channel", "2:4@n=1", "groups, counts, and what it finds wrong"),
}
"""By noun: a member and one with options or of another family, for help; and what its checks are about."""


def _member(noun: str) -> Callable[[str], None]:
    """The command that checks a member of a noun which knows no data set."""
    plain, other, about = LOOKED_AT[noun]

    def command(
        name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, as python -m bench.run --list.")],
    ) -> None:
        registry = contract.REGISTRIES[noun]
        name = registry.resolve(name)
        checks = contract.of(noun)
        import torch  # only here, since it takes a second

        torch.set_num_threads(1)  # more of them cost more than they bring on images so small
        print(f"{name}: {len(checks.CHECKS)} checks")
        _tell(checks.verdicts(checks.Subject(name, registry.make(name, _known(noun, name)))))

    command.__doc__ = f"""Check a {noun}: {about}.

    It is tried on small generated images; no data are needed. Exit code 1 where a check fails, 2 where there is no
    such {noun}.

    Examples:

    python -m bench.check {noun} {plain}

    python -m bench.check {noun} {other}
    """
    return command


def _known(noun: str, name: str) -> dict[str, Any]:
    """What the smallest scale says to a drawer; nothing for other members."""
    return scales.load("tiny").plan("cls/figures").knobs(name) if noun == "drawer" else {}


for _noun in LOOKED_AT:
    app.command(_noun)(_member(_noun))


PUBLISHED = Path("results/records")


@app.command()
def results(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Records, or a folder that holds records/.")
    ] = PUBLISHED,
    tickets: Annotated[
        Path | None,
        typer.Option("--tickets", metavar="DIR", help="Tickets of draws; scores are computed again from their files."),
    ] = None,
    data_root: flags.DataRoot = None,
    data: flags.Data = None,
) -> None:
    """Check a folder of submitted records: each by itself, against each other, and against this version.

    A line that starts with FAILED is a mistake; one that starts with note tells what is allowed and worth knowing,
    as a drawer that is not known here or a record that a newer one stands for. Exit code 1 where there are mistakes.

    Examples:

    python -m bench.check results

    python -m bench.check results runs/records --tickets runs/tickets
    """
    for place in (folder, *((tickets,) if tickets else ())):
        if not place.is_dir():
            raise UserError(f"there is no folder {place}; name one that is there.")
    if (folder / "records").is_dir():
        folder /= "records"
    places = flags.places(data_root, data)
    from bench.audit.replica import Data
    from bench.audit.submission import findings
    from bench.jobs.display import Display

    with Display() as display:
        records, found = findings(folder, Data(places, display), tickets)
    for one in found:
        print(f"{'FAILED' if one.is_wrong else 'note':<8}{plain(one.file)}: {plain(one.sentence)}")
    wrong = len({one.file for one in found if one.is_wrong})
    if not records and not wrong:
        print(f"{folder} holds no record; there is nothing to check.")
        return
    print(f"{len(records)} records in {folder}, {wrong} files with mistakes")
    if wrong:
        raise typer.Exit(1)


@app.command()
def recompute(
    name: Annotated[str, typer.Argument(metavar="ID", help="The record: its file's name without .json.")],
    records: Annotated[Path, typer.Option("--records", metavar="DIR", help="The folder that holds it.")] = PUBLISHED,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Where new records and tickets go.", show_default="a folder that is removed"),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda or cuda:N.", show_default="as in the record")
    ] = None,
    data_root: flags.DataRoot = None,
    data: flags.Data = None,
) -> None:
    """Draw a record's ticket again and train it again, with the record's settings, and compare the score.

    Exit code 0 where the new score equals the record's to the last digit, as it does on the same machine type, or lies
    inside the 95 % t-interval over the seeds of its row; else 1. A version that would compute another job, since a
    method, a scale or the data changed, refuses and names the commit to check out.

    Examples:

    python -m bench.check recompute ID

    python -m bench.check recompute ID --records runs/records --home again
    """
    from bench.audit import recompute as again

    found, all_records = again.find(records, name)
    places = flags.places(data_root, data)
    if device is not None:
        flags.device(device)
    from bench.audit.replica import Data
    from bench.jobs.display import Display

    place = nullcontext(str(home)) if home else tempfile.TemporaryDirectory(prefix="ticketbench-")
    with place as folder, Display() as display:
        verdict = again.recompute(found, all_records, Path(folder), Data(places, display), display, device)
    for line in again.lines(verdict):
        print(line)
    if not verdict.is_reproduced:
        raise typer.Exit(1)


@app.command()
def kernels() -> None:
    """Tell which kernels compute search blocks on this machine, and why; they are compiled and tried for it.

    Examples:

    python -m bench.check kernels
    """
    from bench.views.kernels import lines

    for line in lines():
        print(line)
        sys.stdout.flush()


@app.command()
def schema() -> None:
    """Print the JSON Schema of a record, which results/record.schema.json holds.

    It says what is checked of one file without this package; python -m bench.check results checks more.

    Examples:

    python -m bench.check schema

    python -m bench.check schema > results/record.schema.json
    """
    from bench.records.record import json_schema

    sys.stdout.write(json_schema())


if __name__ == "__main__":
    console.main(app, "python -m bench.check")
