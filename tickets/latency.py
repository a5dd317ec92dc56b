"""How long a network takes for one image, measured here and now."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

RUNS, WARM = 15, 3


@torch.no_grad()
def seconds(run: Callable[[], Tensor], runs: int = RUNS) -> float:
    """The least time of a call among some, after a few that are not counted: what other processes disturb least.

    Args:
        run: gives a tensor, whose device is waited for.
        runs: calls that are timed.
    """
    for _ in range(WARM):
        _finished(run())
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        _finished(run())
        times.append(time.perf_counter() - start)
    return min(times)


def _finished(result: Tensor) -> None:
    if result.is_cuda:
        torch.cuda.synchronize(result.device)


def of_image(module: nn.Module, size: tuple[int, int], runs: int = RUNS) -> float:
    """Seconds for one (3, H, W) image in evaluation, on the threads that the process has.

    Args:
        module: takes images; its mode is put back.
        size: (H, W).
        runs: calls that are timed.
    """
    return in_evaluation(module, image_for(module, size), runs)


def image_for(module: nn.Module, size: tuple[int, int]) -> Tensor:
    """A black (1, 3, H, W) image where the module is."""
    image = torch.zeros(1, 3, *size, device=next(module.parameters()).device)
    return image.contiguous(memory_format=torch.channels_last)


def in_evaluation(module: nn.Module, x: Tensor, runs: int = RUNS) -> float:
    """Seconds of a module for one input, in evaluation; its mode is put back."""
    was = module.training
    module.eval()
    try:
        return seconds(lambda: _first(module(x)), runs)
    finally:
        module.train(was)


def _first(result: Tensor | list[Tensor]) -> Tensor:
    """A tensor among what a module gives: itself, or a host's first map."""
    return result if isinstance(result, Tensor) else result[0]
