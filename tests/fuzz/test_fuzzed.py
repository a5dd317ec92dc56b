"""A few damaged files for every reader, the same ones each time; `make fuzz` tries as many as time allows."""

import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import READERS

FEW = {"joints": 3, "ticket": 8}
"""Examples, where one takes long: each file of MATLAB's is read in a process of its own."""


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_refused_or_read(name):
    reader = READERS[name]()

    @settings(max_examples=FEW.get(name, 24), derandomize=True, database=None, deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def tried(data):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what decoders think of a damaged file
            reader.meets(data.draw(reader.inputs))

    tried()
