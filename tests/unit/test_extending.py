"""The blocks of docs/extending.md are members of all nouns: each is listed and does what the page says."""

import importlib
import re
import sys
import tomllib
from dataclasses import fields
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from toy import SPEC, ToySource

from bench import check, run
from bench.command import console
from tasks import TASKS, Feed, contract
from tickets import (
    DRAWERS,
    HOSTS,
    PATTERNS,
    RECIPES,
    SCORERS,
    TRANSFORMS,
    Drawer,
    Network,
    Request,
    Settings,
    Training,
    Traits,
    UserError,
    registry,
)
from tickets.recipes.base import transfer
from tickets.training.events import actions

TEXT = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
TABLES = {one.group: one for one in (TASKS, DRAWERS, HOSTS, PATTERNS, RECIPES, SCORERS, TRANSFORMS)}
SETTINGS = Settings(12, 0.05, calibration_batches=1)


def blocks(language):
    """The fenced blocks of a language, joined."""
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", TEXT, re.S))


def named(column):
    """The words in code type of the first column of the table that has this title."""
    (table,) = re.findall(rf"^\| {re.escape(column)} \|.*\n\| ---.*\n((?:\|.*\n)+)", TEXT, re.M)
    return [word for row in table.splitlines() for word in re.findall(r"`(\w[\w.]*)", row.split("|")[1])]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The page's module, imported, and registered by the page's lines."""
    (tmp_path / "mine.py").write_text(blocks("python"))
    monkeypatch.syspath_prepend(tmp_path)
    groups = {}
    for group, names in re.findall(r'\[project\.entry-points\."(.+?)"\]\n(.*?)\n\n', blocks("toml") + "\n\n", re.S):
        groups[group] = [EntryPoint(name, value, group) for name, value in tomllib.loads(names).items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: groups.get(group, []))
    for table in TABLES.values():
        vars(table).pop("_plugins", None)
    yield importlib.import_module("mine")
    for table in TABLES.values():
        vars(table).pop("_plugins", None)
    sys.modules.pop("mine")


@pytest.fixture
def draw(mine):
    """Draws on toy images by a drawer's name."""

    def drawn(name, sparsity=0.5, spec=SPEC, given=None):
        return DRAWERS.make(name).draw(Request(spec, ToySource(), SETTINGS, sparsity, 0, given or {}))

    return drawn


def test_every_member_is_listed_and_loads(mine):
    listed = run.names()
    for group, table in TABLES.items():
        own = [name for name in table.names() if name not in table.builtin]
        assert own, f"the page adds no {table.noun}"
        for name in own:
            assert table.load(name).__module__ == "mine" and table.distribution(name) is None
            assert re.search(rf"^{group.removeprefix('ticketbench.')}: .*\b{re.escape(name)}\b", listed, re.M)


@pytest.mark.parametrize("name", ["far", "nap", "lasso"])
def test_drawers_keep_exactly_what_they_should(draw, name):
    ticket = draw(name, 0.8)
    assert ticket.prunable - ticket.kept == round(0.8 * ticket.prunable)


def test_an_option_that_is_wrong_is_one_sentence(mine):
    for name in ("far@power=-1", "far@power=two", "far@pwoer=2"):
        with pytest.raises(UserError, match=r"far"):
            DRAWERS.resolve(name)


def test_a_nap_lets_weights_back_in(mine, monkeypatch):
    seen = []
    monkeypatch.setattr(Training, "set_masks", watched(Training.set_masks, seen))
    mine.Nap().draw(Request(SPEC, ToySource(), SETTINGS, 0.8, 0))
    assert seen == [pytest.approx(0.8, abs=1e-3), pytest.approx(0.72, abs=0.03), pytest.approx(0.8, abs=1e-3)]


def watched(set_masks, seen):
    """Keeps the sparsities that masks are set to."""

    def kept(training, masks):
        set_masks(training, masks)
        seen.append(training.sparsity)

    return kept


def test_a_lasso_makes_weights_smaller(mine):
    sizes = []
    for weight in (0.0, 0.1):
        ticket = mine.Lasso(weight=weight).draw(Request(SPEC, ToySource(), SETTINGS, 0.5, 0))
        sizes.append(sum(float(ticket.host.raw[name].abs().sum()) for name in ticket.host.masks))
    assert sizes[1] < 0.9 * sizes[0] and ticket.provenance["spent"]["images"] == (12 + 3) * ToySource.batch_size


def test_a_slope_is_the_gradient_over_its_batches(mine):
    source, host = ToySource(), SPEC.initial(0)
    network = Network(host, source.head(host.features)).eval()
    found = mine.Slope(batches=2).scores(network, source, 0, 0.5)
    loss = sum(source.loss(network(batch["image"]), batch) for batch in source.calibration(2))
    weights = network.weights()
    slopes = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True, allow_unused=True)
    for name, slope in zip(weights, slopes, strict=True):
        torch.testing.assert_close(found[name], slope.abs())


def test_the_recipe_starts_from_smaller_weights(draw):
    ticket = draw("far")
    host = RECIPES.make("shrunk@factor=0.25").host(ticket, 1)
    for name, mask in ticket.host.masks.items():
        torch.testing.assert_close(host.get_parameter(name), 0.25 * ticket.host.raw[name] * mask)
    transfer(ticket, RECIPES.make("shrunk"), ToySource(name="toy/other"), SETTINGS, 1).run()


def test_a_flat_ticket_has_one_magnitude_a_layer(draw):
    ticket = draw("far")
    flat = TRANSFORMS.make("flat").apply(ticket, 0)
    assert not TRANSFORMS.traits("flat").is_control and flat.hash != ticket.hash and flat.kept == ticket.kept
    for name, mask in ticket.host.masks.items():
        kept, before = flat.host.raw[name][mask], ticket.host.raw[name][mask]
        torch.testing.assert_close(kept.abs(), before.abs().mean().expand_as(kept))
        assert torch.equal(kept.sign(), before.sign())


def test_the_host_is_drawn_from_and_its_file_tells_it(draw, tmp_path, mine):
    ticket = draw("far", spec=HOSTS.make("two/blocks@width=8"))
    ticket.save(tmp_path / "ticket")
    assert type(ticket).load(tmp_path / "ticket").spec == mine.TwoSpec(width=8)


def test_the_pattern_takes_whole_inputs(draw, tmp_path):
    ticket = draw("omp@pattern=inputs", given={"base": draw("dense")})
    columns = [mask.movedim(1, 0).flatten(1) for mask in ticket.host.masks.values()]
    assert all(bool((column.all(1) | ~column.any(1)).all()) for column in columns)
    gone = sum(int((~column.any(1)).sum()) for column in columns)
    assert gone == round(0.5 * sum(len(column) for column in columns))


def test_the_task_keeps_its_contract_and_is_drawn_on(mine, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(contract.Subject, "seconds", 0.0)
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SystemExit) as left:
        console.main(check.app, "bench", ["task", "cls/spots@images=64"])
    told = capsys.readouterr().out
    assert left.value.code == 0 and " 0 failed" in told, told
    feed = Feed("cls/spots", mine.Spots(images=64, size=(32, 32), cache=tmp_path / "cache"), 8, 0)
    assert Drawer().draw(Request(SPEC, feed, SETTINGS, 0.5, 0)).sparsity == pytest.approx(0.5, abs=1e-3)


def test_the_tables_of_the_page_are_complete():
    assert named("event") == list(dict.fromkeys(named("event"))) and set(named("event")) == set(actions(Drawer()))
    assert set(named("`Traits(...)`")) == {field.name for field in fields(Traits)}
    hooks = re.findall(r"^\| .* \| `(\w+)\(.*\)` \|", TEXT, re.M)
    assert hooks == ["masking", "loss", "on_gradient", "after_step", "events"]
    assert all(callable(getattr(Drawer, hook)) for hook in hooks)
    source, host = ToySource(), SPEC.initial(0)
    training = Training(Network(host, source.head(host.features)), source, SETTINGS, 0)
    for attribute in named("attribute"):
        part = training
        for word in attribute.split("."):
            part = getattr(part, word)


@pytest.mark.parametrize("noun", [table.noun for table in TABLES.values()])
def test_every_noun_has_its_line_and_its_check(noun):
    (section,) = re.findall(rf"^## An? {noun}\n(.*?)(?=^## )", TEXT, re.M | re.S)
    assert f'[project.entry-points."ticketbench.{noun}s"]' in section and f"`python -m bench.check {noun} " in section
    assert "ounted" in section or noun == "pattern"
