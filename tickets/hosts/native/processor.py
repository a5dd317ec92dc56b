"""Instruction sets that kernels are compiled for, and which of them this processor has."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tickets.errors import unknown


@dataclass(frozen=True)
class InstructionSet:
    """What kernels are compiled for.

    Args:
        name: as settings and records call it.
        machines: names of the processors' families; none for any.
        features: that the processor must have, as Linux calls them.
        flags: for the compiler.
        capability: of PyTorch's own kernels, to which ATEN_CPU_CAPABILITY can hold a machine.
    """

    name: str
    machines: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    capability: str = "default"


_X86 = ("x86_64", "amd64")
SETS = (
    InstructionSet(
        "avx512",
        _X86,
        ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma"),
        ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"),
        "avx512",
    ),
    InstructionSet("avx2", _X86, ("avx2", "fma"), ("-mavx2", "-mfma"), "avx2"),
    InstructionSet("neon", ("aarch64", "arm64")),
    InstructionSet("portable"),
)
"""From the fastest to the one that runs everywhere."""
TORCH, TRITON = "torch", "triton"
"""Kernels that are not ours for the processor: PyTorch's, and those for CUDA."""
NAMES = tuple(one.name for one in SETS)
_HOLDS = {"default": ("default",), "avx2": ("default", "avx2")}
"""What a value of ATEN_CPU_CAPABILITY leaves; others leave everything."""


def named(name: str) -> InstructionSet:
    """The set of a name.

    Raises:
        UserError: there is none; lists those that there are.
    """
    for one in SETS:
        if one.name == name:
            return one
    raise unknown("kernels", name, NAMES)


def usable() -> list[InstructionSet]:
    """The sets that this processor can run, the fastest first; ATEN_CPU_CAPABILITY holds them back, as PyTorch's."""
    machine, held = platform.machine().lower(), os.environ.get("ATEN_CPU_CAPABILITY", "")
    return [
        one
        for one in SETS
        if (not one.machines or machine in one.machines)
        and one.capability in _HOLDS.get(held, (one.capability,))
        and _features().issuperset(one.features)
    ]


@cache
def _features() -> frozenset[str]:
    """What the processor says it has; nothing where the system does not tell, so that what runs everywhere is used."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())
