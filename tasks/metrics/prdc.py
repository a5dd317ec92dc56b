"""Coverage, precision and recall of generated samples, by nearest neighbours among features."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK = 1024
"""Rows whose distances are held at once."""


def radii(points: Tensor, k: int) -> Tensor:
    """Each point's distance to its k-th nearest other point, float64 (N,).

    Args:
        points: float (N, D).
        k: at least 1.

    Raises:
        ValueError: there are no more than k points.
    """
    if len(points) <= k:
        raise ValueError(f"a point has no {k}th neighbour among {len(points)} points; give more of them.")
    return torch.cat([one.kthvalue(k + 1, 1).values for one in _distances(points, points)])  # itself is the first


def coverage(real: Tensor, fake: Tensor, k: int = 5) -> float:
    """Share of the real points that have a generated one nearer than their k-th real neighbour.

    M. F. Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models (arXiv 2002.09797), equation 9. Of
    points that were drawn like the real ones about 1 - 2^-k.

    Args:
        real: float (N, D), N above k.
        fake: float (M, D).
        k: as `radii`.
    """
    nearest = torch.cat([one.min(1).values for one in _distances(real, fake)])
    return float((nearest < radii(real, k)).double().mean())


def precision(real: Tensor, fake: Tensor, k: int = 5) -> float:
    """Share of the generated points that lie nearer to a real one than that one's k-th real neighbour.

    T. Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative Models (arXiv 1904.06991),
    equation 2; with the two exchanged it is their recall.

    Args:
        real, fake, k: as for `coverage`.
    """
    reach = radii(real, k)
    return float(torch.cat([(one < reach).any(1) for one in _distances(fake, real)]).double().mean())


def _distances(some: Tensor, others: Tensor) -> Iterator[Tensor]:
    """Distances of some points to all others, float64, some rows at a time."""
    others = others.double()
    return (torch.cdist(rows.double(), others) for rows in some.split(CHUNK))
