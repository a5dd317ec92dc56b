"""Every row of all boards as one flat CSV with full precision, and what two such files differ in."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bench.boards.leaderboard import Board, Row
from bench.boards.overall import Line, Overall, over_targets
from bench.boards.result import Key
from bench.numbers.stats import Estimate


def _pair(name: str, read: Callable[[Row], Estimate | None]) -> dict[str, Callable[[Board, Row], Any]]:
    """The two columns of an estimate."""

    def part(attribute: str) -> Callable[[Board, Row], Any]:
        return lambda _, row: getattr(read(row), attribute, None)

    return {name: part("mean"), f"{name}_half": part("half")}


def _of_key(*names: str) -> dict[str, Callable[[Board, Row], Any]]:
    def read(name: str) -> Callable[[Board, Row], Any]:
        return lambda _, row: getattr(row.key, name)

    return {name: read(name) for name in names}


def _of_row(*names: str) -> dict[str, Callable[[Board, Row], Any]]:
    def read(name: str) -> Callable[[Board, Row], Any]:
        return lambda _, row: getattr(row, name)

    return {name: read(name) for name in names}


FIELDS: dict[str, Callable[[Board, Row], Any]] = {
    "kind": lambda board, _: board.place.kind,
    **_of_key("source", "target", "drawer", "transform", "recipe", "head", "control"),
    **_of_key("sparsity", "scale", "budget", "origin"),
    "metric": lambda board, _: board.metric,
    "test_split": lambda board, _: board.split,
    "group": lambda _, row: row.group or None,
    "seeds": lambda _, row: " ".join(map(str, row.seeds)),
    "n": lambda _, row: len(row.seeds),
    **_of_row("rank", "is_decided"),
    "average_rank": lambda _, row: None,
    **_pair("score", lambda row: row.score),
    **_pair("val_before_last_prune", lambda row: row.before),
    **_pair("val_after_last_prune", lambda row: row.after),
    **_of_row("of_dense", "of_scratch"),
    **_pair("gap", lambda row: row.gap),
    **_of_row("pareto_macs", "pareto_remaining"),
    **_of_row("remaining", "parameters", "sparse_macs", "deployed_parameters", "deployed_macs"),
    **_of_row("drawing_macs", "training_macs", "budget_ratio", "wall_s"),
    **_of_key("drawer_version", "recipe_version", "source_data", "code", "host_drawn"),
    "host": lambda board, _: board.place.host,
    "equal": lambda board, _: board.place.equal,
    "data": lambda board, _: board.place.data,
    "compute": lambda board, _: board.place.compute,
    **_of_row("edition", "missing", "faster", "file_share"),
}
"""CSV columns in order; fractions stay fractions, an absent number is an empty cell."""

FORMULA = ("=", "+", "-", "@")
"""How a cell starts that a spreadsheet takes for a formula."""

TRUTHS = ("is_decided", "pareto_macs", "pareto_remaining")
COUNTS = ("group", "n", "rank", "drawer_version", "recipe_version")
TEXTS = ("seeds", "edition", "missing")
NAMES = ("kind", "source", "target", "drawer", "transform", "recipe", "head", "control", "scale", "origin", "metric",
         "test_split", "source_data", "code", "host_drawn", "host", "equal", "data", "compute")  # fmt: skip
"""Columns that are no plain numbers: truths, whole numbers, texts of their own, and texts that repeat."""

OF_KEY = ("drawer", "transform", "recipe", "head", "control", "sparsity", "scale", "budget", "origin",
          "drawer_version", "recipe_version", "source_data", "code", "host_drawn")  # fmt: skip
"""Columns that a line over all targets shares with the rows that it is made from."""

IDENTITY = ("kind", "source", "target", *OF_KEY, "host", "equal", "data", "compute")
"""Columns that tell one row from all others."""


def to_csv(boards: Iterable[Board]) -> str:
    """Every row of all boards, incomplete ones included, then the lines over all targets (kind "overall")."""
    boards, out = tuple(boards), io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for board in boards:
        for row in (*board.rows, *board.incomplete):
            writer.writerow([cell(read(board, row)) for read in FIELDS.values()])
    for found in over_targets(boards):
        for cells in _overall(found):
            writer.writerow([cell(cells.get(name)) for name in FIELDS])
    return out.getvalue()


def cell(value: Any) -> Any:
    """A value as a cell that no spreadsheet runs: a text that starts as a formula has an apostrophe before it.

    Example:
        >>> cell("=1+1"), cell(-0.5), cell("omp")
        ("'=1+1", -0.5, 'omp')
    """
    return f"'{value}" if isinstance(value, str) and value.lstrip().startswith(FORMULA) else value


def uncelled(text: str) -> str:
    """What `cell` was given."""
    return text[1:] if text.startswith("'") and text[1:].lstrip().startswith(FORMULA) else text


def _overall(found: Overall) -> Iterator[dict[str, Any]]:
    """The cells of an overall board by column; its target is the list of all."""
    for line in found.lines:
        numbers = {"rank": line.rank, "average_rank": line.average_rank, "of_dense": line.of_dense}
        yield {**_shared(found, line), **numbers, "n": len(found.targets)}
    for key, targets in found.incomplete:
        yield {**_shared(found, key), "missing": f"no complete row on {', '.join(targets)}"}


def _shared(found: Overall, line: Line | Key) -> dict[str, Any]:
    key = line.key if isinstance(line, Line) else line
    place = found.boards[0].place
    where = {"kind": "overall", "source": found.source, "target": " ".join(found.targets)}
    setting = {name: getattr(place, name) for name in ("host", "equal", "compute")}
    return {**where, **{name: getattr(key, name) for name in OF_KEY}, **setting}


def first_difference(old: str, new: str) -> str | None:
    """Where a CSV first differs from what it should be, as part of a sentence.

    Args:
        old: the text of a file.
        new: what `to_csv` made now.

    Returns:
        The first row, in the new order, that is missing or has another value, or else the first that is too many;
        None where only the order or the columns differ.
    """
    before, after = _by_identity(old), _by_identity(new)
    for identity, row in after.items():
        if identity not in before:
            return f"{_name(row)} is not in it"
        changed = [name for name in row if before[identity].get(name) != row[name]]
        if changed:
            was = before[identity].get(changed[0])
            return f"{_name(row)} has {changed[0]} {was or 'none'} in it and {row[changed[0]] or 'none'} by the records"
    return next((f"{_name(row)} is in it and in no record" for key, row in before.items() if key not in after), None)


def _by_identity(text: str) -> dict[tuple[str, ...], dict[str, str]]:
    found = {}
    for row in csv.DictReader(io.StringIO(text)):
        found[tuple(row.get(name) or "" for name in IDENTITY)] = row
    return found


def _name(row: dict[str, str]) -> str:
    """A row in words: method, source, target and sparsity."""
    ticket = f"{row['transform']} of {row['drawer']}" if row.get("transform") else row.get("drawer")
    source = f" from {row['source']}" if row.get("source") else ""
    target = f" to {row['target']}" if row.get("target") else ""
    rest = [row.get("recipe"), f"sparsity {row.get('sparsity')}", f"scale {row.get('scale')}"]
    return ", ".join([f"{ticket}{source}{target}", *(part for part in rest if part)])
