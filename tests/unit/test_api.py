"""The suite from Python: options are the command's, results are the request's records, frames have right dtypes."""

import inspect
import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
from samples import record

from bench import api, run, table
from bench.boards.formats import frame
from bench.command import console
from bench.jobs.display import Display
from tickets.errors import UserError

ROOT = Path(__file__).parents[2]
CLS, SEG = "cls/figures", "seg/figures"
GOLDEN = ROOT / "tests" / "golden" / "records"
SHORT = {"budget": 0.01, "set": {"size": "32x32", "batch_size": 8}, "jobs": 2, "threads": 1, "target": "none"}


@pytest.fixture
def asked(monkeypatch):
    """What a call asks for; nothing is computed."""
    seen = []
    monkeypatch.setattr(run, "_located", lambda config, *rest: seen.append(config) or {})
    monkeypatch.setattr(run, "computed", lambda *rest: [])

    def call(**options):
        assert len(api.run(**options)) == 0
        return seen[-1]

    return call


def test_names_and_defaults_are_those_of_the_command():
    command = inspect.signature(run.run).parameters
    told = inspect.signature(api.run).parameters
    assert told["source"].default == command["source"].default == "cls"
    assert {"data_root", "jobs", "set", "compile", "kernels", "quiet"} <= set(told) and "list" not in told
    assert "source: Tasks to draw on; none for dense references alone. (cls)" in api.run.__doc__
    assert len(told) == len(command) - len({"context", "list_names"}) + len({"quiet"})


def test_a_call_asks_for_what_the_words_ask_for(asked, tmp_path):
    plain = asked(home=tmp_path)
    assert plain == asked(source="cls", target=["seg"], sparsity=0.9, seed=[0], home=str(tmp_path), data_root=None)
    given = asked(
        source=["cls", "seg"], seed=range(2), sparsity=[0.5, 0.9], drawer="omp,gmp", force=True, jobs=3,
        set={"batch_size": 8, "size": (32, 32)}, home=tmp_path, target=None,
    )  # fmt: skip
    (sweep,) = given.sweeps
    assert (sweep.sources, sweep.targets, sweep.seeds) == ((CLS, SEG), (), (0, 1))
    assert (sweep.drawers, sweep.sparsities) == (("omp", "gmp"), (0.5, 0.9))
    assert given.scale.name == "tiny@batch_size=8@size=32x32" and given.how.force and given.how.jobs == 3


def test_only_what_is_given_stands_against_a_suite(asked, tmp_path):
    assert len(asked(suite="smoke", home=tmp_path).sweeps) >= 1
    with pytest.raises(UserError, match="--target and --suite both say what to compute"):
        api.run(suite="smoke", target="seg", home=tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sorce": "cls"}, "unknown option 'sorce'. Did you mean 'source'?"),
        ({"list": True}, "unknown option 'list'"),
        ({"force": "yes"}, "force is 'yes'; give True or False."),
        ({"drawer": ["omp", "impp"]}, "unknown drawer 'impp'. Did you mean 'imp'?"),
        ({"sparsity": [0.5, 1.5]}, "sparsity '1.5' is not allowed"),
        ({"jobs": "many"}, "'--jobs'"),
        ({"source": ""}, "has an empty entry"),
        ({"data_root": "no/such/folder"}, "does not exist"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(options, message, tmp_path):
    with pytest.raises(UserError) as caught:
        api.run(home=tmp_path / "home", **options)
    assert message in str(caught.value) and not (tmp_path / "home").exists()


def transfers(drawer, *scores, **changes):
    """One record a score, of the seeds 0, 1, ..."""
    return [record(source=CLS, target=SEG, score=score, seed=seed, drawer=drawer, **changes)
            for seed, score in enumerate(scores)]  # fmt: skip


@pytest.fixture
def results():
    """Two methods over three seeds, a draw, and a failed job."""
    failed = record(source=CLS, target=SEG, drawer="gmp", score=None, error="no memory\nat all")
    return api.Results(
        [*transfers("omp", 0.5, 0.6, 0.7), *transfers("imp", 0.4, 0.5, 0.6), record(target=None), failed]
    )


def test_a_frame_has_a_row_a_record_and_the_documented_dtypes(results):
    found = results.to_pandas()
    assert len(found) == len(results) == 8 and list(found.columns) == list(api.COLUMNS)
    assert {name: str(kind) for name, kind in found.dtypes.items()} == {n: c.kind for n, c in api.COLUMNS.items()}
    assert {column.kind for column in api.COLUMNS.values()} == {
        frame.TEXT, frame.NAME, frame.NUMBER, frame.COUNT, frame.TRUTH, frame.TIME
    }  # fmt: skip
    assert found["score"].tolist()[:3] == [0.5, 0.6, 0.7] and pandas.isna(found["score"].iloc[-1])
    assert found["id"].tolist() == [one.id for one in results]
    assert found["created"].dt.tz is not None
    assert found["created"].iloc[0] == pandas.Timestamp(results[0].created)
    assert pandas.isna(found["target"].iloc[6]) and pandas.isna(found["deployed_parameters"].iloc[6])
    assert found["training_macs"].iloc[0] == results[0].costs.training_macs


def test_a_frame_of_nothing_has_the_same_columns():
    assert {n: str(k) for n, k in api.Results([]).to_pandas().dtypes.items()} == {
        n: c.kind for n, c in api.COLUMNS.items()
    }


def test_a_saved_frame_comes_back_as_it_was(results, tmp_path):
    path = results.save(tmp_path / "mine.csv")
    pandas.testing.assert_frame_equal(api.read_csv(path), results.to_pandas(), check_categorical=False)


def test_the_tables_csv_has_right_dtypes_and_every_digit(tmp_path, capsys):
    for one in (*transfers("omp", 1 / 3, 2 / 3), *transfers("imp", 0.1, 0.2), *transfers("gmp", 0.3)):
        one.write(tmp_path / "records")
    with pytest.raises(SystemExit):
        console.main(table.app, "table", [str(tmp_path / "records"), "--format", "csv"])
    (tmp_path / "board.csv").write_text(capsys.readouterr().out)
    found = api.read_csv(tmp_path / "board.csv").set_index("drawer")
    assert found.loc["omp", "score"] == pytest.approx(0.5, abs=0) and found.loc["omp", "seeds"] == "0 1"
    assert str(found["rank"].dtype) == "Int64" and str(found["is_decided"].dtype) == "boolean"
    assert str(found["recipe"].dtype) == "category" and str(found["wall_s"].dtype) == "float64"
    assert str(found["seeds"].dtype) == str(found["missing"].dtype) == "string"
    assert pandas.isna(found.loc["gmp", "score"]) and "seed" in found.loc["gmp", "missing"]


def test_a_digest_of_digits_stays_a_name(tmp_path):
    (tmp_path / "board.csv").write_text("kind,data,code,sparsity\ntransfer,01234567,12345e67,0.9\n")
    found = api.read_csv(tmp_path / "board.csv")
    assert found["data"].tolist() == ["01234567"] and found["code"].tolist() == ["12345e67"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,b\n1,2\n", "has the column 'a', which no table of ours has"), (None, "cannot read the table")],
)
def test_what_is_no_table_of_ours_is_refused(text, message, tmp_path):
    if text is not None:
        (tmp_path / "x.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        api.read_csv(tmp_path / "x.csv")


def test_failures_are_told_apart(results):
    assert [one.error for one in results.failed] == ["no memory\nat all"]
    assert repr(results).startswith("8 records, 1 failed\n") and "no memory" in results._repr_html_()


def test_a_comparison_is_numbers_and_says_what_the_command_says(results, tmp_path, capsys):
    from bench import compare

    found = results.compare("omp", "imp")
    assert found.pooled["imp"].mean == pytest.approx(0.1) and found.verdict("imp") == "omp is better"
    rows = found.to_pandas()
    assert rows["difference"].tolist() == pytest.approx([0.1] * 3) and str(rows["seed"].dtype) == "Int64"
    for one in results:
        one.write(tmp_path)
    with pytest.raises(SystemExit):
        console.main(compare.app, "compare", ["omp", "imp", "--records", str(tmp_path)])
    assert capsys.readouterr().out == repr(found) + "\n"
    assert "<td>" in found._repr_html_() and "omp is better" in found._repr_html_()
    with pytest.raises(UserError, match=r"unknown method among the transfers 'ipm'\. Did you mean 'imp'"):
        results.compare("omp", "ipm")
    with pytest.raises(UserError, match="the request holds no draw of a ticket"):
        api.Results(transfers("omp", 0.5)).compare("omp", "imp", target="none")


def test_a_folder_is_loaded_and_its_board_is_the_tables(capsys):
    found = api.load(GOLDEN)
    with pytest.raises(SystemExit):
        console.main(table.app, "table", [str(GOLDEN)])
    assert found.board() == capsys.readouterr().out == found.board()._repr_markdown_()
    assert "<table>" in found._repr_html_() and len(found) == len(list(GOLDEN.glob("*.json")))
    with pytest.raises(UserError, match="there is no folder no/such"):
        api.load("no/such")


def test_names_are_those_of_the_list():
    found = api.names()
    assert CLS in found["tasks"] and "omp" in found["drawers"] and "smoke" in found["suites"]


def test_the_page_is_true(tmp_path, monkeypatch):
    """The blocks of docs/python.md, on made-up records; the options are checked as ever."""
    asked = []
    made = [*transfers("supertickets", 0.5, 0.6, 0.7), *transfers("omp", 0.4, 0.5, 0.6)]
    monkeypatch.setattr(run, "_located", lambda config, *rest: asked.append(config) or {})
    monkeypatch.setattr(run, "computed", lambda *rest: made)
    for one in made:
        one.write(tmp_path / "results" / "records")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    names = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.S)), names)
    assert asked[0].sweeps[0].seeds == (0, 1, 2) and len(names["found"]) == len(names["again"]) == 6
    for name in {*re.findall(r"`api\.(\w+)", text)}:
        assert name in api.__all__


SCRIPT = """
from bench import api
print("once")
found = api.run({options})
print(len(found), len(found.failed), found.to_pandas()["score"].notna().all())
"""


def test_a_plain_script_needs_no_guard_and_is_run_once(tmp_path):
    """Fresh processes, which import the main module where nothing hinders them, as CUDA needs and as macOS has."""
    options = ", ".join(
        f"{name}={value!r}" for name, value in {**SHORT, "drawer": "dense", "home": str(tmp_path)}.items()
    )
    patched = "import bench.run\nbench.run.JOBS_IMPORT = ()\n" + SCRIPT.format(options=options)
    (tmp_path / "mine.py").write_text(patched)
    done = subprocess.run([sys.executable, tmp_path / "mine.py"], env={**os.environ, "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.stdout == "once\n1 0 True\n", done.stderr


def test_an_interrupted_call_ends_its_workers_and_the_next_one_goes_on(tmp_path, monkeypatch):
    def interrupted(self, job, step):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Display, "progress", interrupted)
        with pytest.raises(KeyboardInterrupt):
            api.run(**SHORT, drawer="dense", home=tmp_path, quiet=True)
    assert not multiprocessing.active_children()
    assert [one.status for one in api.run(**SHORT, drawer="dense", home=tmp_path, quiet=True)] == ["ok"]
