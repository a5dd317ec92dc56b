"""docs/methods.md has a row for every member that comes with the suite, and for nothing else."""

import ast
import re
from pathlib import Path

import pytest

from tickets.drawers import DRAWERS
from tickets.patterns import PATTERNS
from tickets.pruning.allocation import ALLOCATIONS
from tickets.recipes import RECIPES
from tickets.scorers import SCORERS
from tickets.transforms import TRANSFORMS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
REGISTRIES = {one.noun: one for one in (DRAWERS, RECIPES, TRANSFORMS, SCORERS, PATTERNS)}


def rows(noun):
    """The cells of each row of the table whose first column is headed by the noun."""
    (table,) = re.findall(rf"^\| {noun} \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.M)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


@pytest.mark.parametrize("noun", REGISTRIES)
def test_every_member_has_a_row_and_every_row_a_member(noun):
    named = [name for cells in rows(noun) for name in re.findall(r"`([^`]+)`", cells[0])]
    assert sorted(named) == sorted(REGISTRIES[noun].builtin)


@pytest.mark.parametrize("noun", REGISTRIES)
def test_a_row_says_what_its_members_do(noun):
    assert all(len(cells[1]) > 3 for cells in rows(noun))


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_every_allocation_is_told(name):
    assert f"`{name}`" in PAGE.rpartition("An allocation")[2]


WORDS = {"dense", "random", "scratch", "finetune", "frozen", "rewind", "magnitude", "element", "kernel", "channel"}
WORDS |= {"set", "kd", "adopted"}
"""Names that are words of other things, too, or references that others are measured by."""
EXAMPLES = {"imp", "gmp", "supertickets"}
"""Drawers that contracts try other members with, and the one that published ids state."""


def test_a_method_is_named_in_its_own_file_and_its_table_alone():
    """Whatever planning, training and tables must know of it, they know by its traits."""
    named = []
    for noun, registry in REGISTRIES.items():
        homes = {name: registry.target(name).partition(":")[0].replace(".", "/") + ".py" for name in registry.builtin}
        for path in (path for room in ("bench", "tasks", "tickets") for path in (ROOT / room).rglob("*.py")):
            file = str(path.relative_to(ROOT))
            texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            own = {name for name, home in homes.items() if home == file} | WORDS | EXAMPLES
            if path.name != "__init__.py" and not (
                noun == "scorer" and "drawers" in path.parts
            ):  # which name their own
                named += [f"{file} names {noun} {name}" for name in sorted((set(homes) & texts) - own)]
    assert named == []
