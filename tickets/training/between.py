"""The straight line between two trained networks: is there a barrier on it? (linear mode connectivity)"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from tickets.errors import UserError
from tickets.training.ema import recalibrate
from tickets.training.network import Network


@torch.no_grad()
def between(one: Network, other: Network, share: float, images: Iterable[Tensor]) -> Network:
    """The network on the line between two, its batch norms recalibrated.

    Weights that both have at zero are zero on the whole line. Interpolated running statistics belong to no network, so
    they are computed anew, as after any averaging of weights (Jordan et al., arXiv 2211.08403).

    Args:
        one: at 0.
        other: at 1; of the same architecture. Neither is modified.
        share: where on the line, in [0, 1].
        images: batches (B, 3, H, W) that batch norms are recalibrated on.

    Returns:
        A new network in eval mode.

    Raises:
        UserError: the two are of different architectures.
    """
    ends = dict(other.named_parameters())
    twin = Network(copy.deepcopy(one.host), copy.deepcopy(one.head), one.masks)
    if {name: p.shape for name, p in twin.named_parameters()} != {name: p.shape for name, p in ends.items()}:
        raise UserError(
            "the two networks are of different architectures, so no line joins them; train one ticket twice."
        )
    for name, parameter in twin.named_parameters():
        parameter.lerp_(ends[name], share)
    recalibrate(twin, images)
    return twin


def barrier(errors: Sequence[float]) -> float:
    """The highest error on the line above the mean of its ends (Frankle et al., arXiv 1912.05671, section 2).

    Args:
        errors: at points from one end to the other, at least two.

    Example:
        >>> barrier([0.25, 0.75, 0.5])
        0.375
    """
    return max(errors) - (errors[0] + errors[-1]) / 2


def places(points: int) -> list[float]:
    """Shares that part the line evenly, both ends among them.

    Args:
        points: at least 3: one that is no end.

    Example:
        >>> places(5)
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    return [number / (points - 1) for number in range(points)]


def errors_along(
    one: Network, other: Network, points: int, images: Callable[[], Iterable[Tensor]], score: Callable[[Network], float]
) -> list[float]:
    """1 - score at points from one network to another.

    Args:
        one: at the first point.
        other: at the last.
        points: at least 3.
        images: gives the batches for batch norms, the same each time.
        score: of a network, a fraction, higher is better.
    """
    return [1 - score(between(one, other, share, images())) for share in places(points)]
