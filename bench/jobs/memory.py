"""The most memory that a job took: of its process, or of what lies on a GPU."""

from __future__ import annotations

import contextlib
import platform
from pathlib import Path

import torch

from tickets.training import devices

MIB = 2**20


def forget_peak(device: torch.device) -> None:
    """Start counting this process's peak memory anew, where the system allows it (Linux), and a GPU's."""
    devices.forget_peak(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib(device: torch.device) -> float:
    """The peak memory of this process since `forget_peak`, in MiB; 0.0 where the system does not tell.

    On a CPU all that is resident, on a GPU what tensors take there.
    """
    if (taken := devices.peak_bytes(device)) is not None:
        return taken / MIB
    try:  # not getrusage first: Linux hands its maximum on from the parent to the child
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if platform.system() == "Darwin" else peak / 1024
