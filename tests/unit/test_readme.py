"""What README and guide show works as shown, and the pictures say what the text says."""

import importlib.util
import re
from pathlib import Path

import typer
from toy import SPEC, ToySource

from bench.cli import COMMANDS
from tickets.drawers import DRAWERS
from tickets.drawers.base import Drawer, Request
from tickets.recipes import RECIPES
from tickets.training.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


def test_the_example_of_a_drawer_draws():
    """Its own scores decide: weights far from their layer's mean stay."""
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    source = next(block for block in blocks if "class Spread" in block)
    names: dict[str, object] = {"__name__": "readme"}
    exec(compile(source, "README.md", "exec"), names)
    ticket = names["Spread"]().draw(Request(SPEC, ToySource(), Settings(2, 0.01, calibration_batches=1), 0.5, 0))
    plain = Drawer().draw(Request(SPEC, ToySource(), Settings(2, 0.01, calibration_batches=1), 0.5, 0))
    assert ticket.prunable - ticket.kept == round(0.5 * ticket.prunable)
    assert any(not (ticket.host.masks[n] == plain.host.masks[n]).all() for n in plain.host.masks)


def test_every_command_drawer_and_recipe_is_told_of():
    for command in COMMANDS:
        assert f"python -m bench.{command}" in GUIDE
    for name in {name.partition("/")[0] for name in (*DRAWERS.names(), *RECIPES.builtin)}:
        assert f"`{name}" in GUIDE, name


def test_every_command_line_of_a_small_command_is_accepted():
    """Flags and arguments of the examples are those of the commands; nothing is run."""
    lines = re.findall(r"^python -m bench\.(preview|check|new|publish|clean|table)\b ?([^#\n]*)", GUIDE, re.M)
    assert {module for module, _ in lines} == {"preview", "check", "new", "publish", "clean", "table"}
    for module, args in lines:
        command, words = typer.main.get_command(importlib.import_module(f"bench.{module}").app), args.split()
        context = command.make_context(module, words)
        if module in ("check", "new"):
            name, inner, rest = command.resolve_command(context, words)
            inner.make_context(name, rest, parent=context)


def test_it_is_short_enough_to_be_read():
    assert len(TEXT.splitlines()) <= 150


def test_the_picture_of_results_is_drawn_from_the_text():
    """And the text is held against the records by test_claims."""
    spec = importlib.util.spec_from_file_location("draw", ROOT / "docs" / "pictures" / "draw.py")
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    assert draw.picture(TEXT) == (ROOT / "docs" / "pictures" / "results.svg").read_text(encoding="utf-8")


def test_the_badge_counts_the_published_records():
    count = len(list((ROOT / "results" / "records").glob("*.json")))
    assert f">{count:,}, recomputable<" in (ROOT / "docs" / "pictures" / "badges.svg").read_text(encoding="utf-8")
    assert f"{count:,} published records" in TEXT
