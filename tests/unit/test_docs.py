"""The blocks of docs/new-task.md are a task: it keeps the contract, is drawn on and transferred to."""

import importlib
import re
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import SPEC

from bench import check, preview, run
from bench.command import console
from tasks import TASKS, contract
from tasks.feed import Feed
from tasks.figures import scenes
from tickets import registry
from tickets.drawers.base import Drawer, Request
from tickets.recipes import RECIPES
from tickets.recipes.base import transfer
from tickets.training.settings import Settings

TEXT = (Path(__file__).parents[2] / "docs" / "new-task.md").read_text(encoding="utf-8")
SETTINGS = Settings(4, 0.01, calibration_batches=1)


def blocks(language):
    """The fenced blocks of a language, joined."""
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", TEXT, re.S))


@pytest.fixture
def edges(tmp_path, monkeypatch):
    """The page's module, imported, and registered by the page's lines."""
    monkeypatch.setattr(scenes, "TRAIN", 64)
    monkeypatch.setattr(scenes, "TEST", 24)
    monkeypatch.setattr(contract.Subject, "seconds", 0.0)
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "edges.py").write_text(blocks("python"))
    monkeypatch.syspath_prepend(tmp_path)
    (named,) = tomllib.loads(blocks("toml"))["project"]["entry-points"].items()
    found = [EntryPoint(name, value, named[0]) for name, value in named[1].items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == named[0] else [])
    vars(TASKS).pop("_plugins", None)
    yield importlib.import_module("edges")
    vars(TASKS).pop("_plugins", None)
    sys.modules.pop("edges")


def told(capsys, app, *args):
    """Exit code and output of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(app, "bench", [str(arg) for arg in args])
    return left.value.code, capsys.readouterr().out


def test_every_promise_is_kept_but_the_one_that_the_page_names(edges, capsys):
    code, out = told(capsys, check.app, "task", "edges/figures")
    assert code == 0 and f"{len(contract.CHECKS) - 1} passed, 0 failed, 1 skipped" in out
    assert "f1 1.0000" in out and "skipped a constant prediction" in out


def test_images_alone_keep_every_promise_that_is_for_them(edges, capsys):
    code, out = told(capsys, check.app, "task", "vae/outlines")
    assert code == 0 and f"{len(contract.CHECKS) - 3} passed, 0 failed, 3 skipped" in out


def test_the_picture_has_its_classes(edges, capsys, tmp_path):
    code, _ = told(capsys, preview.app, "--task", "edges/figures", "--out", tmp_path / "edges.png")
    assert code == 0 and (tmp_path / "edges.png").stat().st_size > 1000


def test_its_kind_is_set_like_the_three(edges, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(run, "_compute", lambda config, *rest: asked.append(config))
    code, _ = told(capsys, run.app, "--source", "edges/figures", "--target", "seg", "--set", "edges.batch_size=8")
    scale = asked[0].scale
    assert code == 0 and asked[0].setting.scale == scale.name == "tiny@edges.batch_size=8"
    assert [scale.plan(name).batch_size for name in ("edges/figures", "seg/figures")] == [8, 32]


def test_outlines_are_where_parts_meet(edges, monkeypatch):
    """By hand: a pixel is on an edge where its right or lower neighbour is another part."""
    parts = np.array([[0, 0, 0, 2], [0, 1, 0, 2], [0, 0, 0, 2]], np.uint8)
    monkeypatch.setattr(scenes, "read", lambda sample, size: {"image": None, "parts": parts})
    assert edges.read(None, (3, 4))["label"].tolist() == [[0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0]]


def test_its_score_is_f1(edges):
    """By hand: 2 edges found of 3, 4 guesses of which 1 is ignored: F1 = 2 * 2 / (3 + 3)."""
    label = torch.tensor([[[1, 1, 1, 0, 255, 0]]])
    guess = torch.tensor([[[1, 1, 0, 1, 1, 0]]])
    metric = edges.EdgeF1()
    metric.update(torch.nn.functional.one_hot(guess, 2).permute(0, 3, 1, 2), {"label": label})
    assert metric.compute() == {"f1": pytest.approx(4 / 6)} and metric.count == 1


def test_tickets_are_drawn_on_it_and_transferred_to_it(edges, tmp_path):
    own, seg = (
        Feed(name, TASKS.load(name)(size=(32, 32), cache=tmp_path / "cache"), 8, 0) for name in ("edges/figures", "seg")
    )
    for source, target in ((own, seg), (seg, own)):
        ticket = Drawer().draw(Request(SPEC, source, SETTINGS, 0.5, 0))
        training = transfer(ticket, RECIPES.load("finetune")(), target, SETTINGS, 0)
        training.run()
        scores = target.score(training.averaged(), "test")
        assert next(iter(scores)) == target.primary and 0 <= scores[target.primary] <= 1
