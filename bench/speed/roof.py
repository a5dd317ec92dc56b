"""What this machine can do at best: a matrix product and a copy that take their turns beside what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from bench.speed.request import Request

if TYPE_CHECKING:
    from bench.speed.timing import Run, Times

PRODUCT, COPY = "product", "copy"
SIDE = {"cpu": 1024, "cuda": 8192}
"""Of the square matrices."""
COPIED = {"cpu": 2**25, "cuda": 2**28}
"""Numbers of four bytes that are copied: more than caches hold."""


@dataclass(frozen=True)
class Roof:
    """What a matrix product and a copy took, by rounds.

    Args:
        flops: floating-point operations of the product; a MAC is two.
        bytes: read and written by the copy.
        product: its seconds.
        copy: its seconds.
    """

    flops: int
    bytes: int
    product: Sequence[float]
    copy: Sequence[float]

    @classmethod
    def of(cls, request: Request, times: Times) -> Roof:
        """Take the roof's rows out of what was measured together."""
        kind = _kind(request)
        return cls(2 * SIDE[kind] ** 3, 8 * COPIED[kind], times.pop(PRODUCT), times.pop(COPY))

    def share(self, macs: float, taken: Sequence[float]) -> float:
        """What part of the product's speed so many MACs are, by rounds, then the median.

        Args:
            macs: of one call.
            taken: seconds a call, by rounds.
        """
        return median(2 * macs / call / (self.flops / one) for call, one in zip(taken, self.product, strict=True))

    def __str__(self) -> str:
        product, copy = self.flops / median(self.product) / 1e9, self.bytes / median(self.copy) / 1e9
        return f"the roof beside it: {product:,.0f} GFLOP/s (matrix product), {copy:,.1f} GB/s (copy)"


def roof_runs(request: Request) -> dict[str, Run]:
    """The product and the copy under a request's threads, on its device; the product in its type of numbers."""
    import torch

    kind = _kind(request)
    a, b = torch.randn(2, SIDE[kind], SIDE[kind], device=request.device, dtype=getattr(torch, request.dtype))
    source = torch.zeros(COPIED[kind], device=request.device)
    target = torch.empty_like(source)
    return {PRODUCT: lambda: a @ b, COPY: lambda: target.copy_(source)}


def _kind(request: Request) -> str:
    return request.device.partition(":")[0]
