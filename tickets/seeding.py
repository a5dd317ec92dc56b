"""Named streams of randomness, all derived from one seed and a place."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive(seed: int, *place: str | int) -> int:
    """A seed in [0, 2**63) for one purpose; other places give unrelated seeds.

    Example:
        >>> derive(0, "host") == derive(0, "host"), derive(0, "host") == derive(0, "head")
        (True, False)
    """
    text = "/".join(str(part) for part in (seed, *place))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *place: str | int) -> torch.Generator:
    """A fresh CPU generator for one purpose."""
    return torch.Generator().manual_seed(derive(seed, *place))


@contextmanager
def seeded(seed: int, *place: str | int) -> Iterator[None]:
    """Run a block under the global generators seeded for one purpose, then put them back as they were.

    The state is restored also when the block raises.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive(seed, *place))
        yield


@contextmanager
def libraries_seeded(seed: int, *place: str | int) -> Iterator[None]:
    """Run a block of other people's code under seeds for Python's, NumPy's and PyTorch's CPU generators.

    Transforms of timm, torchvision and mmseg draw from all three. They are put back as they were, also when
    the block raises; no GPU is touched, so loader processes may call it.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    number = derive(seed, *place)
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.manual_seed(number)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
