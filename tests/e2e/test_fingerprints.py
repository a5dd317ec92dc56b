"""Published records name their data by fingerprints: the same data give the same ones, whatever the code becomes."""

import pytest
from real import published

from tasks import TASKS


@pytest.fixture(scope="module")
def prints(tmp_path_factory):
    """Of the embedded data at the size of the published records."""
    return TASKS.load("cls/figures")(cache=tmp_path_factory.mktemp("cache")).prepare(workers=2)


@pytest.mark.parametrize("name", ["cls/figures", "seg/figures", "pose/figures"])
def test_the_embedded_data_are_those_of_the_records(name, prints):
    assert prints == published(name, TASKS.load(name).info.version)
