"""The leaky integrate-and-fire neuron over some time steps, and the gradient that is made up for its spikes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class _Lif(torch.autograd.Function):
    """`lif` as one node of a graph, in half of the time that a node a step and value takes.

    The membrane is an output, too, so that a gradient of a gradient finds its way through it.
    """

    @staticmethod
    def forward(ctx: Any, current: Tensor, tau: float, threshold: float, sharpness: float) -> tuple[Tensor, Tensor]:
        spikes, membrane = _fired(current, tau, threshold)
        ctx.save_for_backward(spikes, membrane)
        ctx.constants = tau, threshold, sharpness
        ctx.set_materialize_grads(False)
        return spikes, membrane

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None, None, None]:
        (spikes, membrane), (tau, threshold, sharpness) = ctx.saved_tensors, ctx.constants
        to_spikes, to_membrane = grads  # a second gradient may come by the membrane alone
        one = torch.ones((), dtype=membrane.dtype, device=membrane.device)
        found: list[Tensor] = []
        for t in range(len(membrane) - 1, -1, -1):
            here = torch.zeros_like(membrane[t]) if to_membrane is None else to_membrane[t]
            if to_spikes is not None:
                above = membrane[t] - threshold
                slope = torch.addcmul(one, above, above, value=(math.pi / 2 * sharpness) ** 2)
                here = torch.addcdiv(here, to_spikes[t], slope, value=sharpness / 2)
            if found:
                here = torch.addcmul(here, found[-1], 1 - spikes[t].detach(), value=tau - 1)
            found.append(here / tau)
        return torch.stack(found[::-1]), None, None, None


def _fired(current: Tensor, tau: float, threshold: float) -> tuple[Tensor, Tensor]:
    """The spikes, and the membrane before each reset; both shaped like `current`."""
    spikes, membrane = torch.empty_like(current), torch.empty_like(current)
    left = torch.zeros_like(current[0])
    for t, now in enumerate(current):
        torch.lerp(left, now, 1 / tau, out=membrane[t])
        torch.ge(membrane[t], threshold, out=spikes[t])
        left = torch.addcmul(membrane[t], membrane[t], spikes[t], value=-1)
    return spikes, membrane


def lif(current: Tensor, tau: float = 4 / 3, threshold: float = 1.0, sharpness: float = 2.0) -> Tensor:
    """Spikes of leaky integrate-and-fire neurons that begin at rest, as in the code released for arXiv 2207.01382.

    At every step the membrane v goes to v + (x - v) / tau; where it is at least the threshold, a spike is sent and v
    set to 0. No gradient goes through that reset, and that of a spike is made up, the arc tangent's
    (sharpness / 2) / (1 + (pi / 2 sharpness (v - threshold))^2).

    Args:
        current: x, (T, ...), step by step.
        tau: of the leak, at least 1.
        threshold: of the membrane.
        sharpness: of the made-up gradient.

    Returns:
        (T, ...) of zeros and ones.

    Example:
        >>> lif(torch.full((6, 1), 1.2)).flatten().tolist()
        [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    """
    spikes: Tensor = _Lif.apply(current, tau, threshold, sharpness)[0]
    return spikes
