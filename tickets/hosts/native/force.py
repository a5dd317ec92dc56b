"""Which kernels compute search blocks in this process: PyTorch's, unless others are put in force."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from tickets.errors import UserError
from tickets.hosts.native import library, processor

TORCH = "torch"


@dataclass(frozen=True)
class Force:
    """Kernels in force.

    Args:
        kind: name of their instruction set.
        threads: that they run on.
    """

    kind: str
    threads: int


_now: Force | None = None


def now() -> Force | None:
    """The kernels in force; None for PyTorch's own."""
    return _now


@contextmanager
def using(kernels: str, threads: int | None = None) -> Iterator[None]:
    """Have search blocks computed by these kernels for as long as the body runs, in all threads of this process.

    Native kernels give the same bits for every number of threads and PyTorch's do not, so what else a network computes
    runs on one thread of PyTorch's while they are in force.

    Args:
        kernels: "torch", or the name of an instruction set as in `processor.NAMES`.
        threads: for the kernels, or for PyTorch where those are PyTorch's; None for as many as PyTorch has now.

    Raises:
        UnavailableError: they cannot be had here.
        UserError: no kernels are called so, or the processor cannot run them.
    """
    global _now
    threads, before = threads or torch.get_num_threads(), (_now, torch.get_num_threads())
    if kernels != TORCH:
        check(kernels)
        library.load(kernels)
    _now = None if kernels == TORCH else Force(kernels, threads)
    torch.set_num_threads(threads if _now is None else 1)
    try:
        yield
    finally:
        _now = before[0]
        torch.set_num_threads(before[1])


def check(kernels: str) -> None:
    """See that this processor can run kernels.

    Raises:
        UserError: it cannot, or there are none of that name.
    """
    kind, able = processor.named(kernels), processor.usable()
    if kind not in able:
        names = ", ".join(one.name for one in able)
        raise UserError(f"this processor cannot run {kernels} kernels; choose {TORCH}, {names} (--kernels).")
