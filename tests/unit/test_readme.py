"""What the README shows works as shown."""

import re
from pathlib import Path

from toy import SPEC, ToySource

from bench.cli import COMMANDS
from tickets import drawers
from tickets.drawer import Drawer, Request
from tickets.recipes import RECIPES
from tickets.training import Settings

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
    for name in {name.partition("/")[0] for name in drawers.names()} | set(RECIPES.builtin):
        assert f"`{name}" in TEXT, name
