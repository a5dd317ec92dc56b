"""The notebooks of docs/ run from top to bottom at a small budget, and are committed without outputs."""

import json
import os
import sys
from pathlib import Path

import pytest

from bench.jobs.identity import REGISTRIES
from tickets.registry import BY_HAND

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NAMES = ("first_ticket", "my_own_data", "my_own_method")
SHORT = {"budget": 0.01, "set": {"size": "32x32", "batch_size": 8}, "jobs": 2, "threads": 1, "quiet": True}


def cells(name):
    """The cells of a notebook, in order."""
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def source(cell):
    """The text of a cell."""
    return "".join(cell["source"])


@pytest.fixture
def alone(monkeypatch):
    """What a notebook changes of the process does not last."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv(BY_HAND, "")
    yield
    os.environ.pop(BY_HAND)
    for registry in REGISTRIES.values():
        vars(registry).pop("_plugins", None)


def executed(name, home):
    """The namespace after all code cells, each compiled by itself; the one of parameters gives way to a short run's."""
    names = {"__name__": "__main__"}
    for number, cell in enumerate(cells(name)):
        if cell["cell_type"] != "code":
            continue
        if "parameters" in cell["metadata"].get("tags", ()):
            exec(source(cell), names)
            assert {*names["HOW"]} == {"home", "budget"}
            names["HOW"] = {**SHORT, "home": home}
        else:
            exec(compile(source(cell), f"{name}, cell {number}", "exec"), names)
    return names


def test_the_first_ticket(alone, tmp_path):
    names = executed("first_ticket", tmp_path)
    assert [one.kind for one in names["found"]].count("draw") == 1 and len(names["both"]) == 6
    assert [shape[0] for shape in names["shapes"]] == [1] * len(names["shapes"]) and not names["both"].failed


def test_my_own_data(alone, tmp_path, capsys):
    names = executed("my_own_data", tmp_path)
    assert {one.job.source for one in names["drawn_on_mine"]} == {"cls/folder", None}
    assert {one.job.target for one in names["trained_on_mine"]} == {"seg/folder", None}
    assert not names["drawn_on_mine"].failed and not names["trained_on_mine"].failed
    assert "0.png" in capsys.readouterr().out


def test_my_own_method(alone, tmp_path, capsys):
    names = executed("my_own_method", tmp_path)
    mine = [one for one in names["found"] if one.job.drawer.startswith("far")]
    assert len(mine) == 2 and not names["found"].failed
    assert all(code.name == "far" for one in mine for code in one.code) and mine[0].code
    assert "power is 0" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_they_are_committed_without_outputs(name):
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NAMES)
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
