"""How many weights each layer keeps: by one global ranking, evenly, or by Erdős-Rényi kernel."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from torch import Tensor

from tickets.errors import unknown
from tickets.pruning.masks import Masks, highest, keep_top

_WEIGHING: dict[str, Callable[[Sequence[int]], int]] = {"uniform": math.prod, "erk": sum}
"""By allocation, what the number of weights that a layer keeps is proportional to, from its weight's shape."""

ALLOCATIONS = ("global", *_WEIGHING)
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

    Under "uniform" and "erk" every layer keeps at least one weight if there are as many to keep as layers,
    and counts are rounded by largest remainders, equal ones in favour of the earlier layer.

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
    counts = _counts(
        weights=[_weight(allocation, score, shapes[name] if shapes else score.shape) for name, score in scores.items()],
        sizes=[score.numel() for score in scores.values()],
        kept=sum(int(mask.sum()) for mask in masks.values()),
    )
    return {name: highest(score, count) for (name, score), count in zip(scores.items(), counts, strict=True)}


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
