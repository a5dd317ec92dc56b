"""How a layer exchanges some of its weights for others: the smallest go, as many come elsewhere."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tickets.pruning.masks import highest


def rewired(
    mask: Tensor, weight: Tensor, gradient: Tensor | None, fraction: float, generator: torch.Generator
) -> Tensor:
    """The mask of a layer after one exchange (RigL, arXiv 1911.11134, section 3), its count kept whatever happens.

    k = min(round(fraction * kept), removed) of the kept weights go, those of smallest |w|; then the k positions of
    largest |gradient| come among all that are not kept, those that have just gone included. Where fewer than k have a
    gradient other than zero, the others are drawn at random. Of equal weights or gradients the earlier one stays or
    comes.

    Args:
        mask: boolean, of the layer.
        weight: shaped like it, zero where it is False.
        gradient: of the loss with respect to all weights, masked ones included; None to draw all k at random.
        fraction: of the kept weights, in [0, 1].
        generator: of the random ones; on the CPU.

    Returns:
        Boolean, with as many entries True as `mask` has.

    Example:
        >>> mask, weight = torch.tensor([1, 1, 1, 0, 0, 0]).bool(), torch.tensor([0.5, -0.1, 0.3, 0, 0, 0])
        >>> gradient = torch.tensor([9, 0.05, 9, 0.1, -0.7, 0.2])
        >>> rewired(mask, weight, gradient, 1 / 3, torch.Generator()).int().tolist()
        [1, 0, 1, 0, 1, 0]
    """
    live = int(mask.sum())
    count = min(round(fraction * live), mask.numel() - live)
    kept = highest(weight.abs().masked_fill(~mask, -1), live - count)
    chance = torch.rand(mask.shape, generator=generator).to(weight.device) - 1  # in [-1, 0): below every gradient
    wanted = chance if gradient is None else torch.where(gradient == 0, chance, gradient.abs())
    return kept | highest(wanted.masked_fill(kept, -2), count)


def rewired_as_released(
    mask: Tensor, weight: Tensor, gradient: Tensor | None, fraction: float, generator: torch.Generator
) -> Tensor:
    """The same as the released code of FreeTickets does it (sparselearning/core.py), where the count may change.

    Gone is all that is no larger than the ceil(fraction * kept)-th smallest kept weight, so that equal ones go
    together; by gradient as many come, but where fewer removed positions have one other than zero the first positions
    of the layer take their place, kept or not, so that weights are lost; at random each removed position comes with
    the probability that gives as many in the mean. A layer of which nothing is removed stays as it is.

    Args:
        mask, weight, gradient, fraction, generator: as `rewired` takes them.

    Example:
        >>> mask, weight = torch.tensor([1, 1, 1, 0, 0, 0]).bool(), torch.tensor([0.5, -0.1, 0.3, 0, 0, 0])
        >>> gradient = torch.tensor([9, 0, 0, 0, -0.7, 0])
        >>> rewired_as_released(mask, weight, gradient, 2 / 3, torch.Generator()).int().tolist()
        [1, 0, 0, 0, 1, 0]
    """
    live = int(mask.sum())
    if live == mask.numel():
        return mask
    smallest = mask.numel() - live + math.ceil(fraction * live)
    kept = weight.abs() > weight.abs().flatten().kthvalue(smallest).values
    count = live - int(kept.sum())
    if gradient is None:
        chance = torch.rand(mask.shape, generator=generator).to(weight.device)
        return kept | (chance < count / (mask.numel() - live + count))
    return kept | highest(gradient.abs().masked_fill(kept, 0), count)
