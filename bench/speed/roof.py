"""What this machine can do at best: a matrix product and a copy, measured with the threads that were asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench.speed.request import Request
from bench.speed.timing import Run, clock_of

SIDE = {"cpu": 1024, "cuda": 8192}
"""Of the square matrices."""
COPIED = {"cpu": 2**26, "cuda": 2**28}
"""Numbers of four bytes that are copied: more than any cache holds."""
ROUNDS = 7


@dataclass(frozen=True)
class Roof:
    """The best of some rounds each.

    Args:
        flops: floating-point operations a second of a matrix product; a MAC is two.
        bytes: read and written a second by a copy between places larger than the caches.
    """

    flops: float
    bytes: float

    def share(self, macs: float, seconds: float) -> float:
        """What part of the matrix product's speed so many MACs in so many seconds are."""
        return 2 * macs / seconds / self.flops

    def __str__(self) -> str:
        return f"{self.flops / 1e9:,.0f} GFLOP/s (matrix product), {self.bytes / 1e9:,.1f} GB/s (copy)"


def measured(request: Request) -> Roof:
    """The roof under a request's threads, on its device and in its type of numbers."""
    kind = request.device.partition(":")[0]
    side, copied = SIDE[kind], COPIED[kind]
    a, b = torch.randn(2, side, side, device=request.device, dtype=getattr(torch, request.dtype))
    source = torch.zeros(copied, device=request.device)
    target = torch.empty_like(source)
    return Roof(
        2 * side**3 / _least(lambda: a @ b, request), 8 * copied / _least(lambda: target.copy_(source), request)
    )


def _least(run: Run, request: Request) -> float:
    """Seconds of the fastest of some calls."""
    clock = clock_of(request.device)
    run()
    return min(clock(run) for _ in range(ROUNDS))
