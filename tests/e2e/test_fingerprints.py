"""Published records name their data by fingerprints: the same data give the same ones, whatever the code becomes."""

import json
import os
from pathlib import Path

import pytest

from tasks import TASKS

RECORDS = Path(__file__).parents[2] / "results" / "records"


def published(task, version):
    """The fingerprints of a task's data in all published records of a version of it, as sets by split."""
    found = {}
    for path in RECORDS.glob("*.json"):
        record = json.loads(path.read_text())
        if record["versions"]["task"].get(task) == version:
            for split, value in record["fingerprints"][task].items():
                found.setdefault(split, set()).add(value)
    return found


def told(task):
    """The fingerprints of prepared data in the same form."""
    return {split: {value} for split, value in task.prepare(workers=2).items()}


def test_the_embedded_data_are_those_of_the_records(tmp_path):
    task = TASKS.load("cls/figures")(cache=tmp_path)
    for name in ("cls/figures", "seg/figures", "pose/figures"):
        assert told(task) == published(name, task.info.version)


@pytest.mark.data
@pytest.mark.parametrize(("name", "folder", "size"), [("cls/cifar10", "cifar10", 32), ("pose/lsp", "lspet", 64)])
def test_photographs_are_those_of_the_records(name, folder, size, tmp_path):
    root = Path(os.environ.get("TICKETBENCH_DATA", "no such folder"))
    if not (root / folder).is_dir():
        pytest.skip(f"TICKETBENCH_DATA names no folder that holds {folder}/")
    task = TASKS.load(name)(size=(size, size), root=root, cache=tmp_path)
    assert told(task) == published(name, task.info.version)
