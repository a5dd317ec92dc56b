"""Records of strangers: whatever a file says or is, one sentence, nothing to copy that harms, no wait, no traceback."""

import csv
import io
import json
import os
import shlex
import sys

import pytest
import samples

from bench import check, compare, table
from bench.audit import plausible
from bench.boards.formats import flat, frame
from bench.boards.leaderboard import boards
from bench.boards.result import Result
from bench.command import console
from bench.records import record
from bench.request import redraw
from bench.views.record import facts
from tickets.errors import UserError

READERS = {
    "check": (check.app, ["results"]),
    "table": (table.app, []),
    "compare": (compare.app, ["a", "b", "--records"]),
}


def data(**changes):
    """A record's JSON data with keys changed, by their way as in job__drawer."""
    found = json.loads(samples.record().to_json())
    for key, value in changes.items():
        *parents, last = key.split("__")
        part = found
        for parent in parents:
            part = part[parent]
        part[last] = value
    return found


def told(capsys, app, words):
    """What a command says in its one sentence, and its code."""
    with pytest.raises(SystemExit) as left:
        console.main(app, "bench", words)
    out, err = capsys.readouterr()
    return left.value.code, out + err


def nested(depth):
    """Lists in lists, as text."""
    return "[" * depth + "]" * depth


HUGE = {
    "count": {"counts__test": 10**400},
    "cost": {"costs__training_macs": 10**400},
    "seed": {"job__seed": 2**64},
    "score": {"scores__val": {"miou": 1e308}},
    "name": {"job__drawer": "a" * 2**20},
    "no name": {"job__drawer": ""},
    "surrogate": {"job__drawer": "omp\ud800"},
    "surrogate in config": {"config": {"\udfff": 1}},
    "escape": {"device": "cpu\x1b[2J\x1b]0;owned\x07"},
    "escape in a key": {"counts": {"test": 3, "\x1b[2J": 1}},
    "direction": {"device": "cpu \u202efdp"},
    "threads": {"setting__threads": 10**400},
    "time": {"created": "2026-W48-1T00:00:00Z"},
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", HUGE)
def test_what_no_record_holds_is_refused_in_one_sentence_that_can_be_shown(tmp_path, capsys, kind, reader):
    found, (app, words) = data(**HUGE[kind]), READERS[reader]
    (tmp_path / f"{found['id']}.json").write_text(json.dumps(found))
    code, text = told(capsys, app, [*words, str(tmp_path)])
    assert code in (1, 2) and "is refused: " in text and len(text) < 1000
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("depth", [100, 5000, 200_000])
@pytest.mark.parametrize("reader", READERS)
def test_deep_nesting_is_refused(tmp_path, capsys, depth, reader):
    app, words = READERS[reader]
    text = json.dumps(data(config={"deep": "HERE"})).replace('"HERE"', nested(depth))
    (tmp_path / "deep.json").write_text(text)
    code, text = told(capsys, app, [*words, str(tmp_path)])
    assert code in (1, 2) and "is refused: " in text and len(text) < 500


@pytest.mark.parametrize("device", ["cpu \u202efdp", "cpu\x1b[2J", "a" * 10_001])
def test_a_record_of_an_older_schema_is_no_way_around(tmp_path, device):
    found = samples.older(samples.record(drawer="omp")) | {"device": device}
    for is_ascii in (True, False):
        (tmp_path / f"{found['id']}.json").write_text(json.dumps(found, ensure_ascii=is_ascii))
        with pytest.raises(UserError, match="'device' h"):
            record.read(tmp_path / f"{found['id']}.json")


def test_numbers_of_five_thousand_digits_are_refused(tmp_path):
    text = json.dumps(data(config={"long": "HERE"})).replace('"HERE"', "9" * 5000)
    (tmp_path / "long.json").write_text(text)
    with pytest.raises(UserError, match="it is no JSON"):
        record.read(tmp_path / "long.json")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices have no names there")
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "it is a pipe"),
        (lambda path: os.symlink("/dev/zero", path), "leads out of its folder"),
        (lambda path: os.symlink(__file__, path), "leads out of its folder"),
        (os.mkdir, "Is a directory"),
    ],
    ids=["pipe", "device", "link", "folder"],
)
def test_only_plain_files_of_the_folder_are_read(tmp_path, capsys, make, why):
    make(tmp_path / "x.json")
    assert why in told(capsys, table.app, [str(tmp_path)])[1]
    assert told(capsys, check.app, ["results", str(tmp_path)])[0] == 1


def test_a_sparse_file_of_a_hundred_gigabytes_is_refused_unread(tmp_path):
    with open(tmp_path / "x.json", "wb") as file:
        file.truncate(100 * 10**9)
    with pytest.raises(UserError, match="it has 95,367 MiB, and at most 16 MiB are read"):
        record.read(tmp_path / "x.json")


def test_a_link_inside_its_folder_is_read(tmp_path):
    found = samples.record()
    (tmp_path / "kept").mkdir()
    path = found.write(tmp_path / "kept")
    os.symlink(path, tmp_path / path.name)
    assert record.read(tmp_path / path.name) == found


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names there are texts")
def test_a_file_name_that_is_no_text_is_told(tmp_path, capsys):
    with open(os.fsencode(tmp_path) + b"/\xff\x1b[2J.json", "w") as file:
        file.write("{}")
    for app, words in READERS.values():
        code, text = told(capsys, app, [*words, str(tmp_path)])
        assert code in (1, 2) and r"\udcff\x1b[2J" in text and "\x1b" not in text


def test_an_error_with_colours_is_kept_without_them(tmp_path):
    path = samples.record(score=None, error="first\n\x1b[31mred\ttab").write(tmp_path)
    assert record.read(path).error == "first\n\\x1b[31mred\ttab"


HARM = "python -m bench.run --source cls --target none --drawer omp --sparsity 0.9 --seed 0 --host supernet/tiny"


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (f"{HARM} --kernels torch --home $(id)", "what a shell would take for more than words"),
        (f"{HARM} --kernels torch --home '`id`'", "'redraw' has --home, which does more"),
        (f"{HARM} --kernels torch --suite a&b", "what a shell would take for more than words"),
        (f"{HARM} --kernels torch --force", "'redraw' has --force, which does more than draw the ticket"),
        (HARM.replace("none", "seg") + " --kernels torch", "'redraw' has --target, which does more"),
    ],
)
def test_a_command_that_does_more_is_refused_and_never_shown(harm, why):
    found = samples.record(redraw=harm)
    assert any(why in sentence for sentence in plausible.wrong(found))
    shown = redraw.of(found)
    assert facts(found)["redraw"] == Result.of(found).redraw == shown != harm


def test_the_command_is_quoted_and_has_all_digits():
    found = samples.record(drawer="omp; $(id)", sparsity=0.8765432, redraw="python -m bench.run")
    words = shlex.split(redraw.of(found))
    assert words[words.index("--drawer") + 1] == "omp; $(id)" and words[words.index("--sparsity") + 1] == "0.8765432"
    assert "--drawer 'omp; $(id)'" in redraw.of(found)


def test_a_rounded_sparsity_is_another_ticket():
    found = samples.record(sparsity=0.8765432, redraw=HARM.replace("0.9", "0.876543") + " --kernels torch")
    assert "'redraw' has --sparsity 0.876543, and the job's is 0.8765432." in list(plausible.wrong(found))


def test_a_record_of_the_future_is_refused_and_supersedes_nobody():
    honest = samples.record(score=0.5)
    false = samples.record(score=0.9, created="9999-12-31T23:59:59Z", id="zzz")
    assert any("which is yet to come" in sentence for sentence in plausible.wrong(false))
    (board,) = boards([honest, false])
    assert [one.score for row in board.rows for one in row.results] == [0.5] or board.incomplete[0].mean == 0.5


def test_no_cell_of_a_csv_is_a_formula_and_the_table_is_read_back(tmp_path):
    found = [samples.record(drawer='=HYPERLINK("x")', seed=seed) for seed in range(3)]
    cells = [cell for row in csv.reader(io.StringIO(flat.to_csv(boards(found)))) for cell in row]
    assert '\'=HYPERLINK("x")' in cells and not any(cell.startswith(("=", "@", "+")) for cell in cells)
    rows = frame.to_frame(found)
    (tmp_path / "t.csv").write_text(frame.to_csv(rows))
    assert frame.read_csv(tmp_path / "t.csv")["drawer"].tolist() == rows["drawer"].tolist()


def test_counts_beyond_64_bits_are_numbers_of_a_frame():
    found = samples.record(training_macs=10**20)
    assert frame.to_frame([found])["training_macs"].tolist() == [1e20]


@pytest.mark.parametrize("told", ["many", 3, {"drawn": 1}, {"drawn": 1, "full": 2, "divergences": {"1": "x"}}, [[]]])
def test_a_config_of_other_types_is_passed_over_by_what_shows_it(told):
    assert facts(samples.record(timesteps=5, config={"timesteps": told}))["time steps"] == "5"


def test_a_key_of_a_page_s_length_is_told_by_its_start(tmp_path):
    path = samples.record(id="one").write(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "k" * 5000: 1}))
    with pytest.raises(UserError, match=rf"the key '{'k' * 200}\.\.\.' is not known; repair it") as caught:
        record.read(path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"scores__primary": "x" * 5000}, "score is "),
        ({"job__control": "x" * 5000}, "control is 'x"),
        ({"id": "x" * 5000}, "its id is 'x"),
        ({"schema": "x" * 5000}, "its schema is 'x"),
        ({"schema": 10**4000}, "its schema is beyond any number of one"),
        ({"kind": "x" * 5000}, "'kind': input should be "),
        ({"created": "x" * 5000}, "'created': must be a UTC time"),
        ({"id": "ä" * 5000}, "'id': letters, digits"),
    ],
)
def test_a_value_of_a_page_s_length_is_told_by_its_start(tmp_path, changes, start):
    path = tmp_path / "one.json"
    path.write_text(json.dumps(data(**changes)))
    with pytest.raises(UserError) as caught:
        record.read(path)
    assert start in str(caught.value) and len(str(caught.value)) < 1000
