"""Batches loaded ahead by other processes: room for them is asked for first, and who hangs or dies is named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from tickets.errors import DataError, UserError

SHARED = Path("/dev/shm")
"""Where Linux keeps what processes hand over to each other."""
AHEAD = 3
"""Batches of each process that may lie there: two that wait, and one that is made."""
HANG_S = 600.0
"""Seconds after which a batch is not waited for any more."""
MIB = 2**20


class LostLoaderError(UserError):
    """A loader process ended before its time, which need not happen again."""


def is_lost_loader(error: Exception) -> bool:
    """Whether an error says so; PyTorch raises its own wherever the job is when a loader is killed."""
    return isinstance(error, LostLoaderError) or str(error).startswith("DataLoader worker (pid")


def loaded(
    data: Dataset[Any],
    numbers: range,
    workers: int,
    generator: torch.Generator,
    pins: bool,
    named: Callable[[int], str],
) -> Iterator[Any]:
    """Batches by number, loaded ahead; they do not depend on how many processes do it.

    Args:
        data: gives a batch for its number.
        numbers: of the batches, in order.
        workers: processes, at least one.
        generator: of what the processes draw by themselves.
        pins: whether batches lie in pinned memory.
        named: says of a batch's number which samples it holds.

    Raises:
        UserError: there is too little shared memory, or a process hangs; names it, or the batch.
        LostLoaderError: a process dies.
    """
    if len(numbers) and SHARED.is_dir():
        _require_room(data[numbers[0]], workers)
    try:
        loader = iter(
            DataLoader(data, None, sampler=numbers, num_workers=workers, generator=generator, pin_memory=pins,
                       timeout=HANG_S)
        )  # fmt: skip
    except (OSError, EOFError) as error:  # what starts them was killed
        raise LostLoaderError(f"loader processes cannot be started ({_first(error)}); give --workers 0.") from error
    for number in numbers:
        try:
            yield next(loader)
        except (RuntimeError, OSError, EOFError) as error:  # the latter where it dies while it hands over a batch
            first = _first(error)
            if isinstance(error, RuntimeError) and not first.startswith("DataLoader"):
                raise
            hangs = "timed out" in first
            how = "hangs" if hangs else f"ended ({first})"
            raise (UserError if hangs else LostLoaderError)(
                f"a loader process {how} at {named(number)}; look at these samples and at the room in {SHARED}, or "
                "give --workers 0."
            ) from error


def _first(error: Exception) -> str:
    """The first line of what an error says, or its name."""
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def _require_room(batch: Mapping[str, torch.Tensor] | DataError, workers: int) -> None:
    """Refuse loader processes that could not hand over their batches, at which they would hang."""
    if isinstance(batch, DataError):
        raise batch
    needed = AHEAD * workers * sum(value.nbytes for value in batch.values())
    state = os.statvfs(SHARED)
    room = state.f_bavail * state.f_frsize
    if state.f_flag & os.ST_RDONLY or not os.access(SHARED, os.W_OK):
        raise UserError(
            f"{SHARED} cannot be written, and loader processes hand over their batches there; make it writable, or "
            "give --workers 0."
        )
    if room < needed:
        raise UserError(
            f"{SHARED} has {room / MIB:.1f} MiB left, and {workers} loader processes need up to {needed / MIB:.1f} MiB "
            "there; enlarge it (a container's --shm-size), remove what lies there, or give --workers 0."
        )
