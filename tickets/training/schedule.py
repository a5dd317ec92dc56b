"""The learning rate of every step: its schedules as rules of a few numbers, each taking the rate from step to step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from tickets.training.settings import Settings

Rule = Callable[[int, float, float], float]
"""(step, rate so far, peak) -> the rate of the step, of which 0 is the first."""

RISE, START, END = 0.3, 25.0, 1e4
"""One cycle: the share of steps that rise, what the peak starts from is divided by, and that again at the end."""
HALF = 0.5
"""What a warm-up starts from."""


def one_cycle(steps: int) -> Rule:
    """A cosine up from a 25th of the peak for 30 % of the steps, and one down to a 10,000th of that."""
    return lambda step, rate, peak: _cycle(step, steps, peak / START, peak, peak / START / END)


def _cycle(step: int, steps: int, first: float, top: float, last: float) -> float:
    """What a cosine there and back is at a step."""
    turn = RISE * (steps + 1) - 1
    if step <= turn:
        return _cosine(first, top, step / turn)
    return _cosine(top, last, (step - turn) / (steps - turn))


def _cosine(start: float, end: float, way: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * way) + 1)


def staircase(every: int, decay: float) -> Rule:
    """A fall at each multiple of `every`."""
    return lambda step, rate, peak: rate * decay if step and step % every == 0 else rate


def multistep(falls: Sequence[int], decay: float) -> Rule:
    """A fall at each of some steps, several where a step is listed so often."""
    times = Counter(falls)
    return lambda step, rate, peak: rate * decay ** times[step] if step in times else rate


def warmup(steps: int) -> Rule:
    """A linear rise from half of what other rules say, over so many steps; each factor is that on the step before."""

    def rate(step: int, rate: float, peak: float) -> float:
        if step > steps:
            return rate
        return rate * (1.0 + HALF / (steps * HALF + (step - 1) * HALF) if step else HALF)

    return rate


def rules(settings: Settings) -> list[Rule]:
    """Those of some settings, in the order in which they are applied; without any the rate is the peak."""
    steps = settings.steps
    if settings.schedule == "constant":
        return []
    falls = [max(1, round(fall * steps)) for fall in settings.falls]
    if settings.schedule == "onecycle":
        found = [one_cycle(steps)]
    elif settings.schedule == "staircase":
        found = [staircase(falls[0], settings.decay)]
    else:
        found = [multistep(falls, settings.decay)]
    return [*found, warmup(max(1, round(settings.warmup * steps)))] if settings.warmup else found


class Schedule:
    """The learning rate's schedules, moved together, forwards only. Its bits are those of mmengine's schedulers.

    Args:
        optimizer: whose learning rates they set; those of its groups are the peaks.
        settings: which, and how long.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, settings: Settings) -> None:
        self.optimizer, self.rules = optimizer, rules(settings)
        self.peaks: list[float] = [group["lr"] for group in optimizer.param_groups]
        self.steps, self.betas = settings.steps, settings.beta_range if settings.schedule == "onecycle" else ()
        self.step = -1
        self.advance(0)

    def advance(self, step: int) -> None:
        """Bring the learning rate to this step."""
        while self.step < step:
            self.step += 1
            for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
                for rule in self.rules:
                    group["lr"] = rule(self.step, group["lr"], peak)
        self._cycle_betas()

    def _cycle_betas(self) -> None:
        """Bring Adam's share of the first moment to this step, as PyTorch's OneCycleLR does unless told otherwise."""
        if not self.betas:
            return
        high, low = self.betas
        for group in self.optimizer.param_groups:
            group["betas"] = (_cycle(self.step, self.steps, high, low, high), group["betas"][1])

    def state_dict(self) -> list[dict[str, int]]:
        """Where the schedules stand; plain values."""
        return [{"last_step": self.step}]

    def load_state_dict(self, state: list[dict[str, int]]) -> None:
        """Go on from `state_dict`; the optimiser's groups carry the learning rate."""
        self.step = state[0]["last_step"]
