"""bench.records.record: what is accepted, what is refused and how it is said, what is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from samples import code, record

from bench.records import provenance
from bench.records import record as records
from bench.records.record import Record, job_id, read, read_all
from tickets import atomic
from tickets.errors import CannotWriteError, UserError

ROOT = Path(__file__).parents[2]
THIRD = 1 / 3


def test_a_record_survives_the_disk_with_every_digit(tmp_path: Path) -> None:
    written = record(score=THIRD, wall_s=0.1 + 0.2)
    path = written.write(tmp_path / "new" / "records")
    assert path == tmp_path / "new" / "records" / f"{written.id}.json"
    assert read(path) == written
    assert read(path).scores.score == THIRD
    assert f'"score": {THIRD!r}' in path.read_text()


def test_the_text_has_sorted_keys_and_one_final_newline() -> None:
    text = record().to_json()
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")
    data = json.loads(text)
    assert list(data) == sorted(data)
    assert data["schema"] == 3
    assert json.dumps(data, sort_keys=True, indent=1) + "\n" == text


def test_writing_leaves_no_temporary_file_and_replaces_the_old_one(tmp_path: Path) -> None:
    record(score=0.25, id="same").write(tmp_path)
    record(score=0.5, id="same").write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["same.json"]
    assert read(tmp_path / "same.json").scores.score == 0.5


def test_a_failed_write_raises_and_keeps_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = record(score=0.25, id="same")
    old.write(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWriteError, match=r"cannot write .*same\.json: No space left on device"):
        record(score=0.5, id="same").write(tmp_path)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["same.json"]
    assert read(tmp_path / "same.json") == old


def test_a_home_that_is_a_file_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWriteError, match="file"):
        record().write(tmp_path / "file")


def test_read_all_sorts_by_name_and_ignores_other_files(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        record(id=name).write(tmp_path)
    (tmp_path / ".d.json.1234.tmp").write_text("{")
    (tmp_path / ".e.json").write_text("{")
    (tmp_path / "notes.txt").write_text("mine")
    assert [found.id for found in read_all(tmp_path)] == ["a", "b", "c"]


def test_read_all_of_no_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no folder .*nowhere; run python -m bench\.run first"):
        read_all(tmp_path / "nowhere")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the record .*gone\.json: No such file"):
        read(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is no JSON"),
        ('{"schema": 3', "it is no JSON"),
        ("[1]", "it holds a list, not a record"),
        ('{"schema": 4}', "its schema is 4, and this version reads 3"),
        ("{}", "its schema is None"),
        ('{"schema": 1}', "the key 'id' is missing"),
        ('{"schema": 3}', "the key 'id' is missing"),
        ('{"schema": NaN}', r"it is no JSON \(NaN is not allowed\)"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_by_name(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(UserError, match=rf"the record .*bad\.json is refused: .*{reason}"):
        read_all(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"schema": 3,', ""),
        ('"schema": 3,', '"schema_number": 3,'),
        ('"schema": 3,', '"schema": 3.0,'),
        ('"schema": 3,', '"schema": true,'),
        ('"seed": 0', '"seed": 0.0'),
        ('"seed": 0', '"seed": true'),
        ('"budget": 1.0', '"budget": 1'),
        ('"budget": 1.0', '"budget": 1e999'),
        ('"preset": "tiny"', '"preset": NaN'),
        ('"preset": "tiny"', '"preset": [-Infinity, 1e999]'),
        ('"dirty": false', '"dirty": 0'),
        ('"threads": 1', '"threads": "1"'),
        ('"status": "ok"', '"status": "ok", "status": "failed"'),
        ("{", "\ufeff{"),
        ("}\n", "} trailing\n"),
    ],
)
def test_the_fast_way_of_reading_accepts_no_more_and_no_less(tmp_path: Path, old: str, new: str) -> None:
    text = record().to_json().replace(old, new, 1)
    assert text != record().to_json()
    try:
        slow = records._read_slowly(tmp_path / "x.json", text.encode())
    except UserError:
        slow = None
    assert records._read_fast(text.encode()) == slow


def test_a_binary_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"bad\.json is refused: it is no JSON"):
        read_all(tmp_path)


def altered(tmp_path: Path, alter) -> Path:
    """A record's file after `alter` changed its JSON data."""
    path = record(id="one").write(tmp_path)
    data = json.loads(path.read_text())
    alter(data)
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("job.sparsity", 1.0, r"'job\.sparsity': input should be less than 1 \(got 1\.0\)"),
        ("job.sparsity", -0.1, r"'job\.sparsity': .*greater than or equal to 0 \(got -0\.1\)"),
        ("job.sparsity", "abc", r"'job\.sparsity': input should be a valid number \(got 'abc'\)"),
        ("job.seed", 1.5, r"'job\.seed': input should be a valid integer .*\(got 1\.5\)"),
        ("job.control", "naive", r"'job': control is 'naive' and transform None; a control is null, dense, native or"),
        ("job.transform", "two words", r"'job\.transform': string should match .*\(got 'two words'\)"),
        ("job.scale", "tiny", r"the key 'job\.scale' is not known"),
        ("setting.precision", "half", r"'setting\.precision': input should be 'float32' or 'bfloat16' \(got 'half'\)"),
        ("setting.colour", "red", r"the key 'setting\.colour' is not known"),
        ("setting", {"scale": "tiny", "threads": 1}, r"'setting': must tell host, budget, device"),
        ("ticket.members", 0, r"'ticket\.members': .*greater than or equal to 1 \(got 0\)"),
        ("ticket.remaining", 1.5, r"'ticket': remaining is 1\.5 and members 1; no more than"),
        ("ticket.remaining", -0.5, r"'ticket\.remaining': .*greater than or equal to 0 \(got -0\.5\)"),
        ("costs.timesteps", 0, r"'costs\.timesteps': .*greater than or equal to 1 \(got 0\)"),
        ("code", [{"noun": "drawer"}], r"the key 'code\.0\.name' is missing"),
        ("job.sparcity", 0.5, r"the key 'job\.sparcity' is not known"),
        ("kind", "train", r"'kind': input should be 'draw', 'transfer' or 'control' \(got 'train'\)"),
        ("scores.score", 0.75, r"'scores': score is 0\.75 and test has 0\.5 for 'miou'"),
        ("scores", None, "scores must be there when the status is ok, and only then"),
        ("error", "bang", "error must be told when the status is failed, and only then"),
        ("costs", None, "a measured record needs costs"),
        ("counts", {}, r"a measured record needs counts\.test"),
        ("id", "../two", r"'id': letters, digits .* \(got '\.\./two'\)"),
        ("id", "two", r"its id is 'two', which must be the file's name"),
        ("created", "2026-01-31T12:00:00+02:00", r"'created': must be a UTC time"),
        ("created", "yesterday", r"'created': must be a UTC time such as"),
        ("setting.threads", 0, r"'setting\.threads': .*greater than or equal to 1 \(got 0\)"),
        ("fingerprints", {"seg/figures": "abc"}, r"'fingerprints\.seg/figures': .*dictionary"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(tmp_path: Path, key: str, value: object, reason: str) -> None:
    def alter(data: dict) -> None:
        *parents, last = key.split(".")
        for parent in parents:
            data = data[parent]
        data[last] = value

    with pytest.raises(UserError, match=rf"one\.json is refused: {reason}"):
        read(altered(tmp_path, alter))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_may_be_missing_its_value(value: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        record(test={"miou": 0.5, "macc": value})
    with pytest.raises(ValidationError, match="no exact JSON form"):
        record(config={"lr": value})


def test_a_config_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValidationError, match="no exact JSON form: Object of type PosixPath"):
        record(config={"root": ROOT})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "transfer", "source": None}, r"a transfer needs job\.source"),
        ({"kind": "transfer", "target": None}, r"a transfer or control needs job\.target"),
        ({"kind": "control"}, r"a control needs job\.control"),
    ],
)
def test_a_job_must_fit_its_kind(changes: dict, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        record(**changes)


def test_a_failed_job_leaves_a_record_without_scores(tmp_path: Path) -> None:
    failed = record(score=None, costs=None, ticket=None, deployed=None, counts={}, fingerprints={})
    assert read(failed.write(tmp_path)).error == "the loss is not finite"


def test_a_score_from_a_paper_needs_no_costs() -> None:
    assert record(origin="reported", costs=None, counts={}).costs is None


def test_ids_are_frozen() -> None:
    """A change of these would make every old record unknown to `bench.run`."""
    determinants = {"job": {"source": "cls/figures", "seed": 0}, "config": {"lr": 0.1, "size": [64, 64]}}
    assert job_id("draw-cls/figures", determinants) == "draw-cls-figures-6f4785b78b"
    assert job_id("x", {}) == "x-44136fa355"
    assert job_id("x", {"a": 0.1, "b": None}) == "x-033dfe3b2b"


def test_an_id_depends_on_values_and_not_on_the_order_of_keys() -> None:
    assert job_id("x", {"a": 1, "b": 2}) == job_id("x", {"b": 2, "a": 1})
    assert job_id("x", {"a": 1}) != job_id("x", {"a": 2})
    assert job_id("x", {"a": (1, 2)}) == job_id("x", {"a": [1, 2]})


@pytest.mark.parametrize("value", [float("nan"), Path("x"), {1, 2}])
def test_an_id_wants_exact_data(value: object) -> None:
    with pytest.raises(ValueError, match="no exact JSON form"):
        job_id("x", {"a": value})


def test_an_id_is_a_file_name() -> None:
    name = job_id("../seg/figures s0 ü", {})
    assert name == "seg-figures-s0-44136fa355"
    assert record(id=name).id == name


def test_the_readme_explains_every_key() -> None:
    text = (ROOT / "results" / "README.md").read_text()

    def keys(model: type[BaseModel]) -> list[str]:
        names = []
        for name, field in model.model_fields.items():
            names.append(field.alias or name)
            parts = [field.annotation, *getattr(field.annotation, "__args__", ())]
            for part in parts:
                if isinstance(part, type) and issubclass(part, BaseModel):
                    names += keys(part)
        return names

    assert "estimated_macs" in keys(Record)
    assert [name for name in keys(Record) if f"`{name}`" not in text] == []


def test_provenance_fits_a_record() -> None:
    stamp = provenance.stamp("cpu")
    assert set(stamp) == {"commit", "dirty", "packages", "device", "created"}
    told = record(**stamp)
    assert told.device.startswith("cpu (")
    assert {"python", "numpy", "torch"} <= told.packages.keys()


def test_a_plug_in_with_changes_makes_the_record_dirty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "commit", lambda: ("4b825dc6", False))
    clean, changed = code(), code(dirty=True, is_public=False)
    assert [provenance.stamp("cpu", codes)["dirty"] for codes in ([], [clean], [clean, changed])] == [
        False,
        False,
        True,
    ]
    monkeypatch.setattr(provenance, "commit", lambda: (None, None))
    assert [provenance.stamp("cpu", codes)["dirty"] for codes in ([clean], [changed])] == [None, True]


def test_a_set_of_tickets_its_amounts_and_foreign_code_survive_the_disk(tmp_path: Path) -> None:
    """All that schema 2 holds for later steps, beside what says the same as its absence."""
    test = {"miou": 0.5, "nll": 3.25}
    written = record(
        members=3, remaining=0.3, pattern="2:4", synops=7, teacher_macs=9, timesteps=4, host_drawn="supernet/tiny2",
        transform="elastic@depth=2", scores={"primary": "miou", "score": 0.5, "test": test, "val": test,
                                             "amounts": ["nll"], "members": [{"miou": 0.5}] * 3},
        code=[code()],
    )  # fmt: skip
    found = read(written.write(tmp_path))
    assert found == written and found.ticket.members == 3 and found.scores.members[2] == {"miou": 0.5}
    assert found.code[0].label == "drawer 'rigl' of acme-tickets" and found.job.control is None
    assert record(transform="elastic@depth=2", control="elastic").job.control == "elastic"


@pytest.mark.parametrize("told", [None, ["draw"], {"ticket": 3, "base": [], "teacher": "../x"}, 1])
def test_needs_that_are_no_names_of_records_are_not_needs(told: object) -> None:
    assert record(config={"needs": told}).needs == {}
    assert record(config={"needs": {"ticket": "draw-1", "teacher": told}}).needs == {"ticket": "draw-1"}


def test_no_commit_is_told_of_somebody_elses_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed in an environment inside a user's own repository, git must not answer for that repository."""
    package = tmp_path / ".venv" / "site-packages" / "bench"
    package.mkdir(parents=True)
    provenance.git(tmp_path, "init", "-q")
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    assert provenance.checkout() is None
    assert provenance.commit.__wrapped__() == (None, None)


def test_dirty_means_that_the_code_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "bench/__init__.py",
        "tasks/__init__.py",
        "tickets/__init__.py",
        "pyproject.toml",
        "README.md",
    ):
        atomic.write(tmp_path / name, b"")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "first")):
        assert provenance.git(tmp_path, *command) is not None
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "bench" / "records" / "provenance.py"))
    head, dirty = provenance.commit.__wrapped__()
    assert len(head) == 40
    assert dirty is False
    (tmp_path / "README.md").write_text("changed")
    assert provenance.commit.__wrapped__() == (head, False)
    (tmp_path / "tickets" / "mine.py").write_text("new")
    assert provenance.commit.__wrapped__() == (head, True)
