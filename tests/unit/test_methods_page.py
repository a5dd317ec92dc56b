"""docs/methods.md has a row for every member that comes with the suite, and for nothing else."""

import re
from pathlib import Path

import pytest

from tickets.drawers import DRAWERS
from tickets.patterns import PATTERNS
from tickets.pruning.allocation import ALLOCATIONS
from tickets.recipes import RECIPES
from tickets.scorers import SCORERS
from tickets.transforms import TRANSFORMS

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
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
