"""The processes below one: Linux tells them in /proc."""

from __future__ import annotations

import os
from pathlib import Path

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


def below(top: int) -> dict[int, int]:
    """Descendants of a process, each with how many generations it lies below: a worker is 2, its loaders are 3."""
    parents = {int(path.name): parent for path in Path("/proc").glob("[0-9]*") if (parent := _parent(path)) is not None}
    found, last = {}, {top}
    for depth in range(1, 6):
        last = {child for child, parent in parents.items() if parent in last}
        found |= dict.fromkeys(last, depth)
    return found


def resident_mib(process: int) -> float:
    """Memory of a process that lies in RAM; 0 of one that has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE_MIB
    except OSError:
        return 0.0


def handles(process: int) -> int:
    """Open files of a process; 0 of one that has ended."""
    try:
        return len(os.listdir(f"/proc/{process}/fd"))
    except OSError:
        return 0


def _parent(path: Path) -> int | None:
    try:
        return int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
