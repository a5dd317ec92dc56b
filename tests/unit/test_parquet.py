"""bench.table --format parquet: the CSV's rows and every digit, in types that do not depend on what stands in them."""

import io
import sys

import pytest
from samples import record

from bench import table
from bench.boards.formats import flat, frame
from bench.boards.leaderboard import boards
from tickets.errors import UserError

pyarrow = pytest.importorskip("pyarrow")


def read(folder):
    """The Parquet that a folder of records becomes."""
    import pyarrow.parquet

    return pyarrow.parquet.read_table(io.BytesIO(table.render(folder, ["parquet"])["leaderboard.parquet"]))


def test_it_has_the_rows_and_columns_of_the_csv_and_every_digit(tmp_path):
    for seed in (0, 1):
        record(seed=seed, score=1 / 3 + seed / 7, drawer="=a").write(tmp_path)
    record(score=None, seed=2, error='a, "b"\nc').write(tmp_path)
    found = read(tmp_path).to_pandas()
    told = frame.of_csv(flat.to_csv(boards([record(seed=s, score=1 / 3 + s / 7, drawer="=a") for s in (0, 1)])))
    assert list(found) == list(flat.FIELDS)
    (row,) = found[found.drawer == "=a"].itertuples()
    assert row.score == told.score[0] and row.score_half == told.score_half[0]


def test_types_do_not_depend_on_what_stands_in_a_table(tmp_path):
    record().write(tmp_path / "one")
    record(score=None, error="no").write(tmp_path / "other")
    one, other = read(tmp_path / "one").schema, read(tmp_path / "other").schema
    assert one.equals(other)
    types = {name: str(one.field(name).type) for name in one.names}
    assert types["score"] == types["sparsity"] == types["training_macs"] == "double"
    assert types["rank"] == types["n"] == types["drawer_version"] == "int64"
    assert types["is_decided"] == types["pareto_macs"] == "bool"
    assert types["missing"] == types["seeds"] == "string"
    assert types["drawer"] == "dictionary<values=string, indices=int32, ordered=0>"


def test_records_keep_their_times_and_missing_values_are_null():
    import pyarrow.parquet

    data = frame.to_parquet(frame.to_frame([record(source=None), record(created="2026-03-04T05:06:07Z")]))
    found = pyarrow.parquet.read_table(io.BytesIO(data))
    assert str(found.schema.field("created").type) == "timestamp[us, tz=UTC]"
    assert found["source"].to_pylist() == [None, "cls/figures"]
    assert found["created"][1].as_py().isoformat() == "2026-03-04T05:06:07+00:00"


def test_without_pyarrow_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    record().write(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r'Parquet needs the package pyarrow.*pip install "ticketbench\[parquet\]"'):
        table.render(tmp_path, ["parquet"])
