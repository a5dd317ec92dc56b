"""How long a network takes for one image, measured here and now."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

RUNS, WARM = 15, 3


@torch.no_grad()
def seconds(run: Callable[[], object], runs: int = RUNS) -> float:
    """The least time of a call among some, after a few that are not counted: what other processes disturb least."""
    for _ in range(WARM):
        run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def of_image(module: nn.Module, size: tuple[int, int], runs: int = RUNS) -> float:
    """Seconds for one (3, H, W) image in evaluation, on the threads that the process has.

    Args:
        module: takes images; its mode is put back.
        size: (H, W).
        runs: calls that are timed.
    """
    first = next(module.parameters())
    image = torch.zeros(1, 3, *size, device=first.device).contiguous(memory_format=torch.channels_last)
    return in_evaluation(module, image, runs)


def in_evaluation(module: nn.Module, x: Tensor, runs: int = RUNS) -> float:
    """Seconds of a module for one input, in evaluation; its mode is put back."""
    was = module.training
    module.eval()
    try:
        return seconds(lambda: module(x), runs)
    finally:
        module.train(was)
