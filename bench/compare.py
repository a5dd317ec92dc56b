"""python -m bench.compare A B: paired differences of methods, recipes or origins over the jobs that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.boards.comparison import Comparison, compared
from bench.boards.figures import canvas, ranks, transfer
from bench.command import console, flags
from bench.records import published as together
from bench.records import record
from bench.request.sweep import NONE
from tickets import atomic
from tickets.errors import UserError

app = console.application()


@app.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="A B", help="Methods as tables call them: stp/magnitude.")],
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="What A and B are: method, recipe, origin, or members (of sets: together, best, mean).",
        ),
    ] = "method",
    folder: Annotated[Path, typer.Option("--records", help="Folder of records.")] = Path("runs/records"),
    published: Annotated[
        bool, typer.Option("--published", help="Beside the published records; one name is compared with all of theirs.")
    ] = False,
    source: Annotated[str | None, typer.Option("--source", help="Only tickets drawn on these tasks.")] = None,
    target: Annotated[str | None, typer.Option("--target", help="Only transfers to these; none for draws.")] = None,
    method: Annotated[str | None, typer.Option("--method", help="Only these methods.")] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="Only these recipes.")] = None,
    sparsity: Annotated[str | None, typer.Option("--sparsity", help="Only these sparsities.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.svg|pdf",
            help="Draw the differences of two as a map by source and target, the ranks of more as a diagram.",
        ),
    ] = None,
) -> None:
    """Compare the first method with each of the others, over jobs that share everything but the method.

    By recipe, a ticket's weights are weighed against fresh ones; by origin, a ticket drawn elsewhere against the one
    drawn on the target; by members, sets of tickets against the best of their own members on the test split, which no
    user could have chosen, and against their mean. With --target none draws are compared on their sources.

    Differences are in points, paired by seed, with 95 % t-intervals; p values are of signed-rank tests, adjusted by
    Holm, and undecided where the seeds are too few to reach 5 % at all. The pooled mean counts what is not independent
    once: tickets of one source and seed, or by origin those of one seed. "missing" tells of seeds, and of controls as
    "random of omp", that one of two methods has and the other lacks.

    Examples:

    python -m bench.compare supertickets stp/magnitude

    python -m bench.compare supertickets imp gmp --target seg,pose --records results/records

    python -m bench.compare --by origin transferred native --method supertickets

    python -m bench.compare --by members together best mean --method dst --target none

    python -m bench.compare supertickets stp/magnitude imp --out ranks.svg

    python -m bench.compare supertickets stp/magnitude --out map.pdf

    python -m bench.compare mine --published
    """
    asked = {"source": source, "target": None if target == NONE else target}
    asked |= {"method": method, "recipe": recipe, "sparsity": sparsity}
    if out is not None:
        flags.out_file(out, tuple(f".{kind}" for kind in canvas.KINDS))
    records = record.each(folder)
    found = compared(
        together.beside(records) if published else records, names, by, asked, target == NONE, str(folder), published
    )
    found.show()
    if out is not None:
        atomic.write(out, canvas.to_bytes(_figure(found, out), out.suffix[1:]))


def _figure(found: Comparison, out: Path) -> canvas.Figure:
    """Of two names a map of their differences, of more a diagram of their ranks.

    Raises:
        UserError: there is nothing to draw.
    """
    if len(found.names) == 2:
        return transfer.compared(found)
    if not found.blocks:
        raise UserError(f"{out} was not written: there are no ranks to draw.")
    return ranks.compared(found)


if __name__ == "__main__":
    console.main(app, "python -m bench.compare")
