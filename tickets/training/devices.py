"""What devices are asked for in their own ways: whether their work is done, its memory, their random numbers."""

from __future__ import annotations

from typing import Any

import torch


def finish(device: torch.device) -> None:
    """Wait until a device has done what it was given; a CPU has when a call returns."""
    if module := _module(device):
        module.synchronize()


def forget_peak(device: torch.device) -> None:
    """Count a CUDA device's peak memory anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int | None:
    """The most memory that tensors of this process took of a device since `forget_peak`; None for a CPU.

    Of `mps`, which keeps no peak, what the process holds now.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return torch.mps.driver_allocated_memory() if device.type == "mps" else None


def random_state(device: torch.device) -> torch.Tensor | None:
    """The state of a device's own generator; None for a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else None


def set_random_state(device: torch.device, state: torch.Tensor) -> None:
    """Put a device's generator where it was."""
    torch.cuda.set_rng_state(state, device) if device.type == "cuda" else torch.mps.set_rng_state(state)


def _module(device: torch.device) -> Any:
    return {"cuda": torch.cuda, "mps": torch.mps}.get(device.type)
