"""bench.new: what it writes keeps the contract as it is; it refuses to overwrite and odd names."""

import importlib.util
import sys
import tomllib

import pytest

from bench import new
from bench.command import console


def run(capsys, *args):
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(new.app, "new", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


@pytest.mark.parametrize("kind", new.KINDS)
def test_the_adapter_and_its_test_work_as_they_are_written(kind, capsys, tmp_path, monkeypatch):
    file = tmp_path / f"thing_{kind}.py"
    code, out, _ = run(capsys, "task", f"{kind}/small_things", "--out", file)
    assert code == 0 and f"written: {file}" in out and f"bench.check task {kind}/small_things" in out
    told = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert told["project"]["entry-points"]["ticketbench.tasks"] == {f"{kind}/small_things": f"thing_{kind}:SmallThings"}
    monkeypatch.syspath_prepend(tmp_path)
    spec = importlib.util.spec_from_file_location(f"test_thing_{kind}", tmp_path / f"test_thing_{kind}.py")
    tests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    assert "torch" not in vars(sys.modules[f"thing_{kind}"])
    tests.test_it_keeps_the_contract(tmp_path, *(["full"] if kind == "cls" else []))


@pytest.mark.parametrize("noun", new.USED)
def test_a_member_and_its_test_work_as_they_are_written(noun, capsys, tmp_path, monkeypatch):
    file = tmp_path / f"my_{noun}.py"
    code, out, _ = run(capsys, noun, f"small_{noun}", "--out", file)
    assert code == 0 and f"written: {file}" in out and f"bench.check {noun} small_{noun}" in out
    told = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    points = {f"ticketbench.{noun}s": {f"small_{noun}": f"my_{noun}:Small{noun.title()}"}}
    assert told["project"]["entry-points"] == points
    assert len(file.read_text().splitlines()) <= 45
    monkeypatch.syspath_prepend(tmp_path)
    spec = importlib.util.spec_from_file_location(f"test_my_{noun}", tmp_path / f"test_my_{noun}.py")
    tests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    for text in tests.contract.CHECKS:
        tests.test_it_keeps_the_contract(text)


def test_beside_a_pyproject_the_lines_to_add_are_told(capsys, tmp_path):
    (tmp_path / "pyproject.toml").write_text("mine")
    code, out, _ = run(capsys, "task", "seg/cells", "--out", tmp_path / "cells_task.py")
    assert code == 0 and (tmp_path / "pyproject.toml").read_text() == "mine"
    assert '[project.entry-points."ticketbench.tasks"]' in out and '"seg/cells" = "cells_task:Cells"' in out


@pytest.mark.parametrize("there", ["mice_task.py", "test_mice_task.py"])
def test_nothing_is_overwritten(there, capsys, tmp_path):
    (tmp_path / there).write_text("mine")
    code, out, err = run(capsys, "task", "pose/mice", "--out", tmp_path / "mice_task.py")
    assert code == 2 and not out and f"{there} exists and is not overwritten" in err
    assert [file.name for file in tmp_path.iterdir()] == [there] and (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["det/boxes"], "unknown kind 'det'. Known: cls, seg, pose."),
        (["cls"], "task 'cls' is no name; give KIND/NAME of small letters"),
        (["cls/My Data"], "task 'cls/My Data' is no name"),
        (["cls/../x"], "task 'cls/../x' is no name"),
        (["cls/class"], "task 'cls/class' is no name"),
        (["seg/camvid"], "the task seg/camvid exists (tasks.sets.camvid:CamVid)"),
        (["cls/json"], "a module json exists ("),
        (["cls/mice", "--out", "mice.txt"], "'mice.txt' is no name of a Python module"),
        (["cls/mice", "--out", "my-mice.py"], "'my-mice.py' is no name of a Python module"),
        (["cls/mice", "--out", "no/such/mice.py"], "no/such/mice.py cannot be written"),
        ([], "missing argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_one_sentence(args, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "task", *args)
    assert code == 2 and not out and message in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["drawer", "My"], "drawer 'My' is no name; give small letters, digits and _, as sensitivity."),
        (["drawer", "imp"], "the drawer imp exists (tickets.drawers.imp:IterativeMagnitude)"),
        (["drawer", "stp"], "the drawers stp/... exist; give yours another name."),
        (["host", "timm"], "the hosts timm/... exist"),
        (["scorer", "cls/taylor"], "scorer 'cls/taylor' is no name"),
        (["pattern", "json"], "a module json exists ("),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_with_members_are_told_in_one_sentence(args, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *args)
    assert code == 2 and not out and message in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())
