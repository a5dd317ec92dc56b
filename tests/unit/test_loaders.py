"""Loader processes: refused where they would hang for want of room; who hangs or dies is named with its samples."""

import os
import signal
import time
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import Dataset

from tasks.data import loaders
from tickets.errors import UserError


class Batches(Dataset):
    """A batch of one MiB for its number; something happens at number 2."""

    def __init__(self, happens=lambda: None):
        self.happens = happens

    def __getitem__(self, number):
        """Zeros, and the number first."""
        if number == 2:
            self.happens()
        return {"image": torch.full((2**18,), float(number))}


def run(data, workers=1, count=4):
    """The first values of so many batches."""
    got = loaders.loaded(
        data, range(count), workers, torch.Generator(), False, lambda number: f"batch {number}, samples 7"
    )
    return [batch["image"][0].item() for batch in got]


def shared(monkeypatch, mib, flag=0):
    """A /dev/shm with so much room."""
    state = SimpleNamespace(f_bavail=mib, f_frsize=2**20, f_flag=flag)
    monkeypatch.setattr(loaders.os, "statvfs", lambda _: state)


def test_batches_come_in_order():
    assert run(Batches(), 2) == [0, 1, 2, 3] and run(Batches(), count=0) == []


def test_too_little_shared_memory_is_refused_and_named(monkeypatch):
    shared(monkeypatch, 5)
    told = r"^/dev/shm has 5\.0 MiB left, and 2 loader processes need up to 6\.0 MiB there; .* or give --workers 0\.$"
    with pytest.raises(UserError, match=told):
        run(Batches(), 2)
    assert run(Batches(), 1) == [0, 1, 2, 3]


def test_shared_memory_that_cannot_be_written_is_refused_and_named(monkeypatch):
    shared(monkeypatch, 5, os.ST_RDONLY)
    with pytest.raises(UserError, match=r"^/dev/shm cannot be written, .* or give --workers 0\.$"):
        run(Batches(), 1)


def test_a_loader_that_hangs_is_named_with_its_samples(monkeypatch):
    monkeypatch.setattr(loaders, "HANG_S", 1.0)
    with pytest.raises(
        UserError, match=r"^a loader process hangs at batch 2, samples 7; look at these samples and at the"
    ):
        run(Batches(lambda: time.sleep(30)))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of PyTorch's own handler
def test_a_loader_that_is_killed_is_named_with_its_samples():
    """PyTorch's handler of a child's end may also raise between two batches, in its own words."""
    told = r"^a loader process ended .+ at batch [012], samples 7; look at|^DataLoader worker .+ is killed by signal"
    with pytest.raises((UserError, RuntimeError), match=told):
        run(Batches(lambda: os.kill(os.getpid(), signal.SIGKILL)))


def test_an_error_of_the_data_is_its_own():
    with pytest.raises(ZeroDivisionError):
        run(Batches(lambda: 1 / 0))
