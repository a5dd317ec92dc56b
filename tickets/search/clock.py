"""How long calls take, in turn, so that a slow phase of the machine hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

ROUNDS, WARM = 200, 3

Call = Callable[[], Tensor | list[Tensor]]
"""What is timed, on the calling thread alone or on one CUDA device."""


@torch.no_grad()
def shares(calls: Mapping[str, Call], whole: Call, rounds: int = ROUNDS) -> tuple[dict[str, float], float]:
    """How long calls take as shares of another, by the lower quartile of each over rounds in which every one runs once.

    Args:
        calls: by name.
        whole: whose time is 1.
        rounds: that are timed, after a few that are not.

    Returns:
        The shares, and the seconds of `whole`.
    """
    for _ in range(WARM):
        _round(calls, whole)
    seen = [_round(calls, whole) for _ in range(rounds)]
    seconds = _quartile(last for _, last in seen)
    return {name: _quartile(one[name] for one, _ in seen) / seconds for name in calls}, seconds


def _quartile(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 4]


def _round(calls: Mapping[str, Call], whole: Call) -> tuple[dict[str, float], float]:
    return {name: _seconds(call) for name, call in calls.items()}, _seconds(whole)


def _seconds(call: Call) -> float:
    """Of the thread's own time, which other processes do not lengthen; on CUDA of the wall's, until it is done."""
    wall, own = time.perf_counter(), time.thread_time()
    made = call()
    first = made if isinstance(made, Tensor) else made[0]
    if first.is_cuda:
        torch.cuda.synchronize(first.device)
        return time.perf_counter() - wall
    return time.thread_time() - own
