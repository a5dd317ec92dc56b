"""Records as a pandas data frame: a row a record, a column a number, none rounded; and tables read from their CSV."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.boards.formats import flat
from bench.records.record import Record
from tickets.errors import UserError

if TYPE_CHECKING:
    import pandas

TEXT, NAME, NUMBER, COUNT, TRUTH, TIME = "string", "category", "float64", "Int64", "boolean", "datetime64[us, UTC]"
"""What columns hold: texts of their own, names that repeat, fractions and amounts (NaN where there is none), whole
numbers, truths, points in time."""
MOST = 2**63 - 1
"""What a column of whole numbers holds."""


@dataclass(frozen=True)
class Column:
    """One column of the records' frame.

    Args:
        kind: its dtype.
        about: what it says.
        read: record -> value, None where there is none.
    """

    kind: str
    about: str
    read: Callable[[Record], Any]


def _of(path: str, kind: str, about: str) -> Column:
    """A column that is an attribute of a record, as "costs.wall_s"; None where a part of the way is None."""
    *way, last = path.split(".")

    def read(record: Record) -> Any:
        part: Any = record
        for name in way:
            part = getattr(part, name)
            if part is None:
                return None
        return attrgetter(last)(part)

    return Column(kind, about, read)


COLUMNS = {
    "id": _of("id", TEXT, "the record's file without .json"),
    "kind": _of("kind", NAME, "draw, transfer or control"),
    "status": _of("status", NAME, "ok or failed"),
    "error": _of("error", TEXT, "why it failed"),
    "origin": _of("origin", NAME, "measured, submitted or reported"),
    "source": _of("job.source", NAME, "task that the ticket was drawn on; missing for dense references"),
    "target": _of("job.target", NAME, "task that it was trained on; missing for draws"),
    "drawer": _of("job.drawer", NAME, "method, its options behind it"),
    "sparsity": _of("job.sparsity", NUMBER, "asked for: removed share of the prunable weights"),
    "transform": _of("job.transform", NAME, "what was made of the ticket first"),
    "recipe": _of("job.recipe", NAME, "how it was trained on the target"),
    "head": _of("job.head", NAME, "fresh or keep"),
    "control": _of("job.control", NAME, "which control it is"),
    "seed": _of("job.seed", COUNT, "of everything random"),
    "scale": _of("setting.scale", NAME, "supernet, input sizes and steps, changes behind it"),
    "host": _of("setting.host", NAME, "what the ticket is drawn from"),
    "budget": _of("setting.budget", NUMBER, "factor on the scale's steps"),
    "equal": _of("setting.equal", NAME, "what methods get alike: steps, macs or sparse"),
    "compute": Column(
        NAME, "what else was not float32 on one CPU thread", lambda record: record.setting.compute or None
    ),
    "metric": _of("scores.primary", NAME, "what the score is"),
    "score": _of("scores.score", NUMBER, "on the test split, a fraction"),
    "test_split": Column(NAME, "the split that was tested on", lambda record: record.test_split or None),
    "val_before_last_prune": _of("scores.val_before_last_prune", NUMBER, "of a draw: the score on val before it"),
    "val_after_last_prune": _of("scores.val_after_last_prune", NUMBER, "and after it"),
    "remaining": _of("ticket.remaining", NUMBER, "kept weights over those of the full host"),
    "parameters": _of("ticket.parameters", COUNT, "of the host's kept weights"),
    "sparse_macs": _of("ticket.sparse_macs", COUNT, "of the host's kept weights, an image"),
    "deployed_parameters": _of("deployed.parameters", COUNT, "host and head on the target"),
    "deployed_macs": _of("deployed.sparse_macs", COUNT, "host and head on the target, of kept weights, an image"),
    "training_macs": _of("costs.training_macs", COUNT, "executed while it was trained"),
    "drawing_macs": _of("costs.drawing_macs", COUNT, "of all drawings that it needed"),
    "teacher_macs": _of("costs.teacher_macs", COUNT, "that teachers computed"),
    "images": _of("costs.images", COUNT, "trained on, repetitions counted"),
    "wall_s": _of("costs.wall_s", NUMBER, "seconds"),
    "peak_mib": _of("costs.peak_mib", NUMBER, "memory at most, MiB"),
    "commit": _of("commit", NAME, "of this repository"),
    "dirty": _of("dirty", TRUTH, "whether files differed from that commit"),
    "device": _of("device", NAME, "the machine's processor"),
    "created": _of("created", TIME, "when the record was written"),
}
"""Columns of `to_frame` in order. A missing value is pandas' missing value."""


def to_csv(table: pandas.DataFrame) -> str:
    """A table as text that `read_csv` gives back, whose cells no spreadsheet runs."""
    names = [str(name) for name in table if table[name].dtype in (TEXT, NAME)]
    texts = {name: table[name].map(flat.cell, na_action="ignore") for name in names}
    return table.assign(**texts).to_csv(index=False, lineterminator="\n")


def to_frame(records: Iterable[Record]) -> pandas.DataFrame:
    """A row a record in their order, columns and dtypes as `COLUMNS` says; whole numbers that 64 bits do not hold are
    floating-point ones.
    """
    import pandas

    found = list(records)
    return pandas.DataFrame(
        {name: _series([column.read(one) for one in found], column.kind) for name, column in COLUMNS.items()}
    )


def _series(values: list[Any], kind: Any) -> pandas.Series[Any]:
    import pandas

    if kind == COUNT and max((value for value in values if value is not None), default=0) > MOST:
        kind = NUMBER
    if kind == TIME:
        return pandas.Series(pandas.to_datetime(values, utc=True, format="ISO8601")).astype(kind)
    return pandas.Series(pandas.array(values, dtype="string") if kind == NAME else values, dtype=kind)


def read_csv(path: Path | str) -> pandas.DataFrame:
    """The table that `python -m bench.table --format csv` or `Results.save` wrote, with the dtypes that it had.

    Raises:
        UserError: no such file, or its columns are those of neither.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the table {path}: {error}.") from error
    return of_csv(text, str(path))


def of_csv(text: str, path: str = "the text") -> pandas.DataFrame:
    """The table whose CSV `bench.boards.formats.flat.to_csv` or `to_csv` made, with the dtypes that it had.

    Args:
        text: of the CSV.
        path: where it is from, for messages.

    Raises:
        UserError: its columns are those of neither.
    """
    import pandas

    names = text.partition("\n")[0].split(",")
    kinds = next((kinds for kinds in (_RECORDS, TABLE) if set(names) <= kinds.keys()), None)
    if kinds is None:
        strange = next(name for name in names if name not in TABLE)
        raise UserError(
            f"{path} has the column '{strange}', which no table of ours has; name a CSV of bench.table or of "
            "Results.save."
        )
    kinds = {name: kinds[name] for name in names}
    own = {name: kind if kind in (COUNT, TRUTH) else TEXT for name, kind in kinds.items()}
    found = pandas.read_csv(io.StringIO(text), dtype=own, keep_default_na=False, na_values=[""])
    return pandas.DataFrame({name: _parsed(found[name], kind) for name, kind in kinds.items()})


def to_parquet(table: pandas.DataFrame) -> bytes:
    """A table as Parquet: texts as strings, repeated ones as dictionaries, whole numbers as int64, fractions and
    amounts as double, a missing value as null; types depend on the kind of table alone, not on what
    stands in it.

    Raises:
        UserError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(
            'Parquet needs the package pyarrow, which is not installed; pip install "ticketbench[parquet]".'
        ) from error
    kinds = {**_RECORDS, **TABLE}
    columns = {str(name): _arrow(table[name], kinds[str(name)]) for name in table}
    out = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), out, compression="zstd")
    found: bytes = out.getvalue().to_pybytes()
    return found


def _arrow(column: pandas.Series[Any], kind: str) -> Any:
    """A column as an array of Arrow, of a type that follows from its kind alone."""
    import pyarrow

    plain = {
        TEXT: pyarrow.string(),
        NAME: pyarrow.string(),
        NUMBER: pyarrow.float64(),
        COUNT: pyarrow.int64(),
        TRUTH: pyarrow.bool_(),
        TIME: pyarrow.timestamp("us", tz="UTC"),
    }
    values = list(column.astype("object").where(column.notna(), None))
    found = pyarrow.array(values, type=plain[kind])
    return found.dictionary_encode() if kind == NAME else found


def _parsed(read: pandas.Series[Any], kind: Any) -> pandas.Series[Any]:
    """Numbers to the last digit and names that stay texts, neither of which pandas' own reader promises."""
    if kind == NUMBER:
        return read.astype("object").where(read.notna(), None).astype(kind)
    if kind in (TEXT, NAME):
        read = read.map(flat.uncelled, na_action="ignore")
    return _series(list(read), kind) if kind in (NAME, TIME) else read


_RECORDS = {name: column.kind for name, column in COLUMNS.items()}
TABLE = {
    **dict.fromkeys(flat.FIELDS, NUMBER),
    **dict.fromkeys(flat.NAMES, NAME),
    **dict.fromkeys(flat.TEXTS, TEXT),
    **dict.fromkeys(flat.COUNTS, COUNT),
    **dict.fromkeys(flat.TRUTHS, TRUTH),
}
"""Column -> dtype of the CSV of `bench.boards.formats.flat`."""
