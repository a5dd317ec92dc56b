"""python -m bench.connect: is there a barrier between two trainings of one ticket that see the data in other orders?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.command import console, flags
from bench.records import record as records
from bench.records.record import Record
from tickets import atomic
from tickets.errors import UserError

if TYPE_CHECKING:
    from bench.audit.replica import Data
    from bench.jobs.display import Display
    from bench.jobs.work import Work

app = console.application()

LEAST = 3


@app.command()
def connect(
    files: Annotated[list[Path], typer.Argument(metavar="RECORD", help="Records of transfers, one a seed.")],
    points: Annotated[int, typer.Option("--points", help="Networks on the line, its ends among them.")] = 11,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Draw the errors: NAME.svg.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", help="Records at once.", min=1)] = 1,
    data_root: flags.DataRoot = None,
    data: flags.Data = None,
) -> None:
    """Train a ticket twice, in two orders of the data, and score the networks on the line between both ends.

    The first training is that of the record, the second one begins with the same weights. The barrier is the highest
    test error on the line above the mean of its ends; a ticket whose trainings end in one valley has none (linear mode
    connectivity, arXiv 1912.05671). The tickets must lie in the records' homes.

    Examples:

    python -m bench.connect runs/records/transfer_cls-figures-to-cls-figures_imp_s0.8_rewind_seed0-0123456789.json

    python -m bench.connect runs/records/transfer_*_imp_*_rewind_*.json --points 21 --out barrier.svg
    """
    if points < LEAST:
        raise UserError(f"--points is {points}; give at least {LEAST}, the two ends and one between them.")
    if out is not None:
        flags.out_file(out, (".svg",))
    found = {file: _transfer(file) for file in dict.fromkeys(files)}
    places = flags.places(data_root, data)
    from bench.audit.replica import Data
    from bench.jobs.display import Display
    from bench.views import line

    with Display() as display:
        known = Data(places, display)
        works = {file: _work(file, one, known) for file, one in found.items()}
        errors = _computed(works, points, jobs, display)
    lines = [line.Line.of(one, errors[file]) for file, one in found.items()]
    line.show(lines)
    if out is not None:
        atomic.write(out, line.to_svg(lines).encode())
        print(f"picture: {out}")


def _transfer(file: Path) -> Record:
    """The record of a training on a target, of one network."""
    found = records.read(file)
    if found.kind == "draw" or found.status != "ok":
        raise UserError(
            f"{file} is the record of a {found.kind} that is {found.status}; give that of a transfer or control "
            "which is ok, since its training is done twice."
        )
    if found.ticket is not None and found.ticket.members > 1:
        raise UserError(f"{file} is the record of {found.ticket.members} networks, and a line joins two of one ticket.")
    return found


def _work(file: Path, found: Record, data: Data) -> Work:
    """What computes the record again in its home, if that is still the same."""
    from bench.audit import replica

    work = replica.work_of(found, file.absolute().parent.parent, data)
    if wrong := replica.unlike(found, work):
        raise UserError(
            f"the record {found.id} cannot be trained again by this version: {'; '.join(wrong)}; check out its commit "
            f"{found.commit}."
        )
    return work


def _computed(works: Mapping[Path, Work], points: int, jobs: int, display: Display) -> dict[Path, list[float]]:
    """The errors along each line."""
    from bench.engines.local import Workers

    found: dict[Path, list[float]] = {}
    waiting = list(works.items())
    display.expect({work.job: 2 * work.facts.scale.plan(work.job.trained_on).transfer.steps for _, work in waiting})
    with Workers(jobs, max(work.facts.setting.threads for _, work in waiting)) as workers:
        while len(found) < len(works):
            while waiting and workers.free:
                file, work = waiting.pop(0)
                workers.start(file, "bench.jobs.line:errors", work, points)
            for message in workers.messages():
                job = works[message.key].job
                if message.kind == "progress":
                    display.progress(job, message.value)
                elif message.kind == "result":
                    found[message.key] = message.value
                    display.ended(job, f"done {job}, twice")
                elif message.kind == "refused":
                    raise UserError(f"{message.key}: {message.value}")
                else:
                    raise RuntimeError(f"{message.key}: {message.value.why}")
    return found


if __name__ == "__main__":
    console.main(app, "python -m bench.connect")
