"""What every task promises, over the registry: a new figures adapter is tested the moment it is registered."""

import pytest
import torch

from tasks import TASKS, contract
from tasks.figures import scenes

NAMES = [name for name in TASKS.builtin if name.endswith("/figures")]
FULL = ("cls", "seg", "pose")
"""Kinds that every promise is asked of."""


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def few(monkeypatch):
    """Fewer figures."""
    monkeypatch.setattr(scenes, "TRAIN", 96)
    monkeypatch.setattr(scenes, "TEST", 40)


@pytest.mark.parametrize("heads", ["light", "paper"])
@pytest.mark.parametrize("text", contract.CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_its_contract(name, text, heads, cache, few):
    task = TASKS.load(name)(size=(32, 32), cache=cache)
    kind = task.info.kind
    verdict = contract.verdict(text, contract.Subject(name, task, heads, seconds=0))
    assert verdict.outcome == "passed" or (verdict.outcome == "skipped" and kind not in FULL), verdict.detail


def test_the_tasks_see_the_same_people(cache, few):
    tasks = [TASKS.load(name)(size=(32, 32), cache=cache) for name in NAMES]
    first, *others = [task.split("val").gather([0, 1])["image"] for task in tasks]
    assert all(torch.equal(first, other) for other in others)
    assert [len(tasks[0].split(split)) for split in ("train", "val", "test")] == [89, 7, 40]
