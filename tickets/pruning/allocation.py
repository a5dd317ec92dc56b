"""How many weights each layer keeps: by one global ranking, evenly, by Erdős-Rényi kernel, or by LAMP scores."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Literal, get_args

import torch
from torch import Tensor

from tickets.errors import unknown
from tickets.pruning.masks import Masks, highest, keep_top

_WEIGHING: dict[str, Callable[[Sequence[int]], int]] = {"uniform": math.prod, "erk": sum}
"""By allocation, what the number of weights that a layer keeps is proportional to, from its weight's shape."""

Allocation = Literal["global", "uniform", "erk", "lamp", "row"]
"""How sparsity is spread over layers, by name."""
ALLOCATIONS: tuple[str, ...] = get_args(Allocation)
"""The known allocations."""


def allocate(
    scores: Mapping[str, Tensor],
    sparsity: float,
    allocation: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Masks:
    """Keep the highest scores, with each layer's number of kept weights set by an allocation.

    - "global": the highest of all layers, by `keep_top`; a layer may end up empty.
    - "uniform": every layer at the same sparsity.
    - "erk": density proportional to (sum of dims) / (product of dims) of a layer's weight, kernel dims
      included (Erdős-Rényi kernel, RigL, arXiv 1911.11134); a layer that would pass density 1 is dense and
      the others take what is left.
    - "lamp": the highest LAMP scores of all layers, s^2 over the sum of the squares of all scores of the layer that
      are not smaller (Lee et al., arXiv 2010.07611, eq. 4, where s is |w|; for other scores ours). What scores 0 or
      less keeps its score, below all others.
    - "row": every layer at the same sparsity, and every output of a layer to within one weight, as Wanda compares
      weights (arXiv 2306.11695); the odd weights go to the outputs whose next score is highest.

    Under "uniform", "erk" and "row" every layer keeps at least one weight if there are as many to keep as layers,
    and counts are rounded by largest remainders, equal ones in favour of the earlier layer. Under "lamp", too, where
    the layer has a score above 0, since the highest of each has the LAMP score 1.

    Args:
        scores: per weight, float, of one dimension or more, not empty; larger is kept. Not modified.
        sparsity: removed fraction of all entries, in [0, 1).
        allocation: one of `ALLOCATIONS`.
        shapes: of the layers' weights, where a score stands for several of them; None for those of the scores.

    Returns:
        Boolean masks with the keys and shapes of `scores`. Exactly round(sparsity * total) entries are
        False over all; among equal scores of a layer the earlier entry is kept.

    Raises:
        UserError: no such allocation; lists those that exist.
        ValueError: as `keep_top`.

    Example:
        >>> scores = {"a": torch.arange(8.0).view(2, 4), "b": torch.arange(2.0)}
        >>> {name: int(mask.sum()) for name, mask in allocate(scores, sparsity=0.5, allocation="uniform").items()}
        {'a': 4, 'b': 1}
    """
    if allocation not in ALLOCATIONS:
        raise unknown("allocation", allocation, ALLOCATIONS)
    masks = keep_top(scores, sparsity)
    if allocation == "global":
        return masks
    if allocation == "lamp":
        ranked = keep_top({name: _lamp(score) for name, score in scores.items()}, sparsity)
        counts = [int(mask.sum()) for mask in ranked.values()]
    else:
        law, kept = "uniform" if allocation == "row" else allocation, sum(int(mask.sum()) for mask in masks.values())
        weights = [_weight(law, score, shapes[name] if shapes else score.shape) for name, score in scores.items()]
        counts = _counts(weights, [score.numel() for score in scores.values()], kept)
    take = _highest_by_row if allocation == "row" else highest
    return {name: take(score, count) for (name, score), count in zip(scores.items(), counts, strict=True)}


def _lamp(score: Tensor) -> Tensor:
    """LAMP scores of one layer, in (0, 1]; of equal scores the earlier one's is higher. Those up to 0 stay as they are.

    Scores are squared in float64 as shares of the highest one, and what is above 0 stays above.
    """
    flat = score.detach().flatten().double()
    order = flat.argsort(descending=True, stable=True)
    squares = (flat[order].clamp_min(0) / flat.max()).square()
    found = torch.empty_like(flat)
    found[order] = (squares / squares.cumsum(0)).clamp_min(torch.finfo(flat.dtype).tiny)
    return torch.where(flat > 0, found, flat).view(score.shape)


def _weight(allocation: str, score: Tensor, shape: Sequence[int]) -> Fraction:
    """What the number of entries that a layer keeps is proportional to: as its density, times its entries."""
    return Fraction(_WEIGHING[allocation](shape) * score.numel(), math.prod(shape))


def _counts(weights: Sequence[Fraction], sizes: Sequence[int], kept: int) -> list[int]:
    """How many of `kept` entries each layer gets: in proportion to its weight, never above its size.

    The exact shares are min(max(scale * weight, least), size) at the one scale that makes them sum up to
    `kept`: a layer at a bound stays there and the others are solved again.
    """
    least = 1 if kept >= len(sizes) else 0

    def total(scale: Fraction) -> Fraction:
        return sum(shares(scale), Fraction())

    def shares(scale: Fraction) -> list[Fraction]:
        return [min(max(scale * w, Fraction(least)), Fraction(n)) for w, n in zip(weights, sizes, strict=True)]

    # The sum of the shares rises with the scale, straight between two scales at which a layer meets a bound.
    bounds = sorted({Fraction(b, w) for w, n in zip(weights, sizes, strict=True) for b in (least, n)})
    i = bisect_right(bounds, Fraction(kept), key=total)
    low, high = bounds[i - 1], bounds[min(i, len(bounds) - 1)]
    below, above = total(low), total(high)
    scale = low if below == kept else low + (high - low) * (kept - below) / (above - below)
    return _rounded(shares(scale))


def _rounded(shares: Sequence[Fraction]) -> list[int]:
    """Whole numbers of the same (whole) sum: the largest remainders are rounded up, earlier ones first."""
    counts = [math.floor(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: counts[i] - shares[i])
    for i in by_remainder[: int(sum(shares)) - sum(counts)]:
        counts[i] += 1
    return counts


def _highest_by_row(score: Tensor, count: int) -> Tensor:
    """A mask of `count` scores of one layer: the highest of every row, as many in each, and the next of some."""
    rows = score.reshape(len(score), -1)
    each, rest = divmod(count, len(rows))
    order = rows.argsort(dim=1, descending=True, stable=True)
    keep = order.argsort(1) < each
    if rest:
        following = order[:, each]
        best = rows.gather(1, following[:, None]).flatten().argsort(descending=True, stable=True)[:rest]
        keep[best, following[best]] = True
    return keep.view(score.shape)
