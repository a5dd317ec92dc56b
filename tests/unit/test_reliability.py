"""docs/reliability.md is what its table says, and each line of it names a test that there is."""

from pathlib import Path

import pytest
from reliability import PAGE, page, rows

TESTS = Path(__file__).parents[1]


def test_the_page_is_made_from_the_table():
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python tests/reliability.py"


@pytest.mark.parametrize("named", sorted({row["test"] for found in rows().values() for row in found}))
def test_each_line_names_a_test_that_there_is(named):
    file, _, name = named.partition("::")
    (path,) = TESTS.glob(f"*/{file}")
    assert f"def {name}(" in path.read_text(encoding="utf-8")


def test_no_line_stands_twice():
    done = [(kind, row["done"]) for kind, found in rows().items() for row in found]
    assert len(done) == len(set(done))
