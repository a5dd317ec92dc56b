"""What a device is asked for: memory, random numbers and time are its own, as far as a CPU can tell."""

from types import SimpleNamespace

import pytest
import torch

from bench.command import flags
from bench.jobs import memory
from tickets.errors import UserError
from tickets.training import devices

CPU, CUDA, MPS = map(torch.device, ("cpu", "cuda", "mps"))


@pytest.fixture
def gpus(monkeypatch):
    """Stand-ins for the modules of both kinds of GPU; what was asked of them."""
    asked = []

    def told(name, value=None):
        return lambda *given: asked.append((name, *given)) or value

    cuda = {"synchronize": None, "reset_peak_memory_stats": None, "max_memory_allocated": 3 * 2**20}
    states = {"get_rng_state": torch.zeros(2), "set_rng_state": None}
    for module, answers in ((torch.cuda, cuda | states), (torch.mps, {"synchronize": None, **states})):
        for name, value in answers.items():
            monkeypatch.setattr(module, name, told(name, value))
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", told("driver_allocated_memory", 5 * 2**20))
    return asked


def test_memory_of_a_job_is_its_process_s_or_its_gpu_s(gpus):
    memory.forget_peak(CPU)
    assert 5 < memory.peak_mib(CPU) < 100_000 and gpus == []
    memory.forget_peak(CUDA)
    assert memory.peak_mib(CUDA) == 3 and memory.peak_mib(MPS) == 5
    assert gpus == [("reset_peak_memory_stats", CUDA), ("max_memory_allocated", CUDA), ("driver_allocated_memory",)]


def test_a_time_is_taken_when_the_device_has_done_its_work(gpus):
    for device in (CPU, CUDA, MPS):
        devices.finish(device)
    assert gpus == [("synchronize",)] * 2


def test_random_numbers_go_on_where_they_were(gpus):
    assert devices.random_state(CPU) is None
    for device in (CUDA, MPS):
        devices.set_random_state(device, devices.random_state(device))
    assert [name for name, *_ in gpus] == ["get_rng_state", "set_rng_state"] * 2


def test_an_apple_gpu_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch, "backends", SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False)))
    with pytest.raises(UserError, match=r"^device 'mps' is not there: it is an Apple GPU's, and PyTorch finds none;"):
        flags.device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert flags.device("mps") == "mps" and flags.device("mps", is_here=False) == "mps"
