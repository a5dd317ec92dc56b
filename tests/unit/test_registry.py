"""Names: aliases that resolve, suggestions, plug-ins of other packages, and a broken one that is named."""

from importlib.metadata import EntryPoint

import pytest

from tasks import TASKS
from tasks.base import Task
from tickets import registry
from tickets.drawer import Drawer
from tickets.drawers import DRAWERS
from tickets.errors import UserError
from tickets.recipe import Recipe
from tickets.recipes import RECIPES
from tickets.registry import Registry


@pytest.mark.parametrize(
    ("table", "name"),
    [(table, name) for table in (TASKS, DRAWERS, RECIPES) for name in table.builtin],
    ids=lambda value: value if isinstance(value, str) else value.noun,
)
def test_every_built_in_name_loads_a_member_of_its_kind(table, name):
    base = {"task": Task, "drawer": Drawer, "recipe": Recipe}[table.noun]
    assert issubclass(table.load(name), base)


def test_aliases_mean_the_embedded_data():
    assert [TASKS.resolve(kind) for kind in ("cls", "seg", "pose")] == ["cls/figures", "seg/figures", "pose/figures"]


@pytest.fixture
def plugged(monkeypatch):
    """A registry with two plug-ins, one of them broken, and one that wants a built-in's name."""
    found = [
        EntryPoint("good", "tickets.schedules:ramp", "g"),
        EntryPoint("bad", "no_such_package.thing:Thing", "g"),
        EntryPoint("own", "tickets.schedules:ramp", "g"),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == "g" else [])
    return Registry("drawer", {"own": "tickets.schedules:staircase"}, "g")


def test_plug_ins_are_found_and_a_built_in_name_wins(plugged):
    assert plugged.load("good").__name__ == "ramp"
    assert plugged.load("own").__name__ == "staircase"
    assert list(plugged.targets) == ["own", "bad", "good"]


def test_a_broken_plug_in_is_named_and_the_others_work(plugged):
    with pytest.raises(UserError, match=r"plug-in drawer 'bad' \(no_such_package\.thing:Thing\) cannot be loaded"):
        plugged.load("bad")
    assert plugged.load("good")


def test_an_unknown_name_gets_a_suggestion(plugged):
    with pytest.raises(UserError, match=r"unknown drawer 'goood'\. Did you mean 'good'\? Known: own, bad, good\."):
        plugged.load("goood")
