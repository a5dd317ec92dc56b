"""What the README shows works as shown."""

import importlib
import re
from pathlib import Path

import typer
from toy import SPEC, ToySource

from bench.cli import COMMANDS
from tickets.drawers import DRAWERS
from tickets.drawers.base import Drawer, Request
from tickets.recipes import RECIPES
from tickets.training.settings import Settings

TEXT = (Path(__file__).parents[2] / "README.md").read_text()


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
        assert f"python -m bench.{command}" in TEXT
    for name in {name.partition("/")[0] for name in (*DRAWERS.names(), *RECIPES.builtin)}:
        assert f"`{name}" in TEXT, name


def test_every_command_line_of_a_small_command_is_accepted():
    """Flags and arguments of the examples are those of the commands; nothing is run."""
    lines = re.findall(r"^python -m bench\.(preview|check|new|publish|clean|table)\b ?([^#\n]*)", TEXT, re.M)
    assert {module for module, _ in lines} == {"preview", "check", "new", "publish", "clean", "table"}
    for module, args in lines:
        command, words = typer.main.get_command(importlib.import_module(f"bench.{module}").app), args.split()
        context = command.make_context(module, words)
        if module in ("check", "new"):
            name, inner, rest = command.resolve_command(context, words)
            inner.make_context(name, rest, parent=context)
