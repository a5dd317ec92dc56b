"""Memory as the kernels take it: addresses of tensors, and scratch memory of each thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor

ALIGNED = 128
"""Bytes, a multiple of every register's width."""

Maybe = Sequence[Tensor | None]

_scratch = threading.local()


def workspace(size: int) -> int:
    """The address of scratch memory of this thread, kept from call to call: fresh pages cost more than their use."""
    held: Tensor | None = getattr(_scratch, "held", None)
    if held is None or len(held) < size + ALIGNED:
        _scratch.held = held = torch.empty(size + ALIGNED, dtype=torch.uint8)
    return aligned(held)


def kept(like: Tensor, elements: int, dtype: torch.dtype | None = None) -> Tensor:
    """Memory for so many elements from its first aligned address on."""
    return like.new_empty(elements + ALIGNED // like.element_size(), dtype=dtype)


def aligned(tensor: Tensor) -> int:
    """The first address in a tensor that is a multiple of `ALIGNED`."""
    return -(-tensor.data_ptr() // ALIGNED) * ALIGNED


def at(tensor: Tensor | None) -> int | None:
    """The address of a tensor's first element; None for none."""
    return None if tensor is None else tensor.data_ptr()


def plain(weights: Maybe) -> list[Tensor | None]:
    """Weights whose values lie one after the other."""
    return [w if w is None or w.is_contiguous() else w.contiguous() for w in weights]


def rows(x: Tensor) -> Tensor:
    """A map whose pixels lie one after the other."""
    return x.contiguous(memory_format=torch.channels_last)


def maps(like: Tensor, channels: int, stride: int) -> Tensor:
    """A new map that a convolution of this stride makes of another one, channels_last."""
    images, _, height, width = like.shape
    shape = (images, channels, (height - 1) // stride + 1, (width - 1) // stride + 1)
    return torch.empty(shape, dtype=like.dtype, memory_format=torch.channels_last)
