"""One thread for every test; the tests of a real command together, so that what a file prepares is prepared once."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several of two busy processes slow each other up to tenfold

import pytest
import torch

torch.set_num_threads(1)


def pytest_itemcollected(item):
    """Give the tests of one file in tests/e2e to one process (pytest-xdist, --dist loadgroup)."""
    if item.path.parent.name == "e2e":
        item.add_marker(pytest.mark.xdist_group(item.path.stem))
