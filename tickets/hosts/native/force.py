"""Which kernels compute search blocks in this process: PyTorch's, unless others are put in force."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from tickets.errors import UserError
from tickets.hosts import triton
from tickets.hosts.native import library, processor
from tickets.hosts.native.processor import TORCH, TRITON


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
_has_triton = False


def now() -> Force | None:
    """The kernels in force on the CPU; None for PyTorch's own."""
    return _now


def has_triton() -> bool:
    """Whether Triton's kernels compute depthwise convolutions on CUDA."""
    return _has_triton


@contextmanager
def using(kernels: str, threads: int | None = None) -> Iterator[None]:
    """Have search blocks computed by these kernels for as long as the body runs, in all threads of this process.

    Native kernels give the same bits for every number of threads and PyTorch's do not, so what else a network computes
    runs on one thread of PyTorch's while they are in force.

    Args:
        kernels: "torch", "triton", or the name of an instruction set as in `processor.NAMES`.
        threads: for the kernels, or for PyTorch where those are PyTorch's; None for as many as PyTorch has now.

    Raises:
        UnavailableError: they cannot be had here.
        UserError: no kernels are called so, or the processor cannot run them, or Triton is not installed.
    """
    global _now, _has_triton
    threads, before = threads or torch.get_num_threads(), (_now, _has_triton, torch.get_num_threads())
    if kernels != TORCH:
        check(kernels)
    is_native = kernels not in (TORCH, TRITON)
    if is_native:
        library.load(kernels, "f32")
    _now, _has_triton = Force(kernels, threads) if is_native else None, kernels == TRITON
    torch.set_num_threads(1 if is_native else threads)
    try:
        yield
    finally:
        _now, _has_triton = before[:2]
        torch.set_num_threads(before[2])


def check(kernels: str) -> None:
    """See that this processor can run kernels, or for "triton" that it is installed.

    Raises:
        UserError: it cannot, or there are none of that name.
    """
    if kernels == TRITON:
        if not triton.is_installed():
            raise UserError(f"{TRITON} kernels need Triton, which is not installed; choose {TORCH} (--kernels).")
        return
    kind, able = processor.named(kernels), processor.usable()
    if kind not in able:
        names = ", ".join(one.name for one in able)
        raise UserError(f"this processor cannot run {kernels} kernels; choose {TORCH}, {names} (--kernels).")
