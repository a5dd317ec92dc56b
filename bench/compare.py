"""python -m bench.compare A B: paired differences of methods, recipes or origins over the jobs that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from bench.boards import pairing
from bench.boards.pairing import CLUSTERS, Cell, Difference, Lacking
from bench.boards.ranks import to_svg
from bench.boards.render import setting_of
from bench.command import console, flags
from bench.numbers import aligned, stats
from bench.numbers.amounts import MISSING
from bench.records import published as together
from bench.records import record
from bench.request.sweep import NONE
from tasks import TASKS
from tickets import atomic
from tickets.errors import UserError, unknown

app = console.application()
HEADER = ("cell", "seeds", "first", "second", "difference", "signed-rank p", "seeds for a point")


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
        typer.Option("--out", metavar="FILE.svg", help="Write the ranks of three or more as a diagram."),
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

    python -m bench.compare mine --published
    """
    names = list(dict.fromkeys(names))
    if by not in CLUSTERS:
        raise unknown("--by", by, CLUSTERS)
    if len(names) < 2 and not (published and by == "method"):
        others = {"recipe": "finetune scratch", "origin": "transferred native", "members": "together best mean"}
        example = others.get(by, "supertickets imp")
        raise UserError(f"a comparison needs two names and got {', '.join(names)}; give e.g. {example}.")
    draws, onto = target == NONE, None if target == NONE else target
    asked = {"source": source, "target": onto, "method": method, "recipe": recipe, "sparsity": sparsity}
    if asked.get(by) is not None:
        raise UserError(f"--{by} {asked[by]} beside {by}s that are compared; leave it out.")
    if out is not None:
        flags.out_file(out, (".svg",))
        if len(names) < 3:
            raise UserError(f"--out draws the average ranks of three or more and got {' and '.join(names)}; add some.")
    records = together.beside(folder) if published else record.each(folder)
    cells = {cell: found for cell, found in pairing.cells(records, by, draws).items() if found}
    if not cells:
        what = f"{'draw' if draws else 'transfer'} of a ticket{' set' if by == 'members' else ''}"
        raise UserError(f"{folder} holds no {what}; run python -m bench.run first, or name another folder.")
    keep = wanted(asked, cells)
    if len(names) < 2:
        names += pairing.rivals(cells, keep, names[0])
    found = pairing.chosen(cells, keep, names, by)
    lacking = pairing.Lacking({cell: scores for cell, scores in cells.items() if by == "method"})
    for other in names[1:]:
        _show(names[0], other, pairing.differences(found, names[0], other), by, lacking)
    if len(names) > 2:
        ranks, count = pairing.ranked(found)
        _show_ranks(by, ranks, count)
        if out is not None:
            if not ranks:
                raise UserError(f"{out} was not written: there are no ranks to draw.")
            atomic.write(out, to_svg(ranks, count).encode())


def wanted(asked: Mapping[str, str | None], cells: Iterable[Cell]) -> Callable[[Cell], bool]:
    """Whether a cell is asked for.

    Args:
        asked: comma-separated values by the name of the flag; None for all.
        cells: all there are.

    Raises:
        UserError: a value that no cell has.
    """
    lists = {}
    for name, text in asked.items():
        if text is None:
            continue
        known = sorted({_value(cell, name) for cell in cells})
        parts = [TASKS.aliases.get(part, part) for part in (part.strip() for part in text.split(","))]
        for part in parts:
            if part not in known:
                raise unknown(f"{name} among the transfers", part, known)
        lists[name] = parts
    return lambda cell: all(_value(cell, name) in parts for name, parts in lists.items())


def _value(cell: Cell, name: str) -> str:
    """What a cell has of what can be asked for, as on the command line."""
    if name == "sparsity":
        return f"{cell.sparsity:g}"
    return cell.place.task if name == "target" else getattr(cell, name)


def _show(left: str, right: str, found: list[Difference], by: str, lacking: Lacking) -> None:
    if not found:
        print(f"{left} and {right} share no seed of a job.\n")
        return
    settings = {difference.cell.place: ", ".join(setting_of(difference.cell.place)) for difference in found}
    common = f" ({next(iter(settings.values()))})" if len(set(settings.values())) == 1 else ""
    lines = [_line(difference, len(found), "" if common else settings[difference.cell.place]) for difference in found]
    header: tuple[str, ...] = HEADER
    missing = [lacking.of(difference.cell, left, right) for difference in found]
    if any(missing):
        header = (*HEADER, "missing")
        lines = [(*line, "; ".join(told) or MISSING) for line, told in zip(lines, missing, strict=True)]
    aligned.show(f"{left} - {right}, in points{common}", header, lines)
    whole = pairing.pooled(found, by)
    between = "" if whole.low is None or whole.high is None else f" [{100 * whole.low:+.1f}, {100 * whole.high:+.1f}]"
    said = verdict(whole.mean, whole.is_decided, left, right)
    print(f"{whole.n} jobs in {whole.clusters} clusters by {CLUSTERS[by]}: {100 * whole.mean:+.1f}{between}: {said}\n")


def verdict(mean: float, is_decided: bool, left: str, right: str) -> str:
    """Which of two methods an interval favours.

    Example:
        >>> verdict(-0.02, True, "a", "b"), verdict(-0.02, False, "a", "b")
        ('b is better', 'undecided')
    """
    return f"{left if mean > 0 else right} is better" if is_decided else "undecided"


def _line(difference: Difference, comparisons: int, setting: str) -> tuple[str, ...]:
    n, found = difference.estimate.n, difference.estimate
    half = "" if found.half is None else f" ±{100 * found.half:.1f}"
    sign = "" if found.is_decided else " (undecided)"
    p = f"{difference.p:.3f}" if difference.p is not None else _out_of_reach(n, comparisons)
    needed = MISSING if difference.needed is None else f"{difference.needed:,}"
    scores = (f"{100 * difference.left:.1f}", f"{100 * difference.right:.1f}")
    return (_subject(difference.cell, setting), str(n), *scores, f"{100 * found.mean:+.1f}{half}{sign}", p, needed)


def _subject(cell: Cell, setting: str) -> str:
    """What the jobs of a cell have in common, in one line."""
    head = "head kept" if cell.head == "keep" else ""
    way = f"drawn on {cell.source}" if cell.place.kind == "draw" else f"{cell.source} -> {cell.place.task}"
    parts = (cell.method, way, cell.recipe, head, f"{cell.sparsity:.0%}", setting)
    return ", ".join(part for part in parts if part)


def _out_of_reach(n: int, comparisons: int) -> str:
    least = next(m for m in range(1, 60) if stats.can_reach(m, comparisons))
    return f"undecided below {least} seeds" if n < least else MISSING


def _show_ranks(by: str, ranks: dict[str, float], cells: int) -> None:
    if not ranks:
        print("average ranks need a job and seed that all of them share; there is none.")
        return
    aligned.show(f"average ranks over {cells} jobs", (by, "rank"), [(m, f"{r:.2f}") for m, r in ranks.items()])
    apart = stats.critical_difference(len(ranks), cells)
    print(f"two ranks differ at 5 % when they are {apart:.2f} apart (Nemenyi; jobs taken as independent)")
    for members in stats.cliques(ranks, apart):
        print(f"not told apart: {', '.join(members)}")


if __name__ == "__main__":
    console.main(app, "python -m bench.compare")
