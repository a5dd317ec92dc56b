"""How far two sets of features are apart as distributions: the Fréchet distance and the kernel distance."""

from __future__ import annotations

import torch
from torch import Tensor


def frechet(real: Tensor, fake: Tensor) -> float:
    """The Fréchet distance of the two normal distributions that have the features' means and covariances.

    M. Heusel et al., GANs Trained by a Two Time-Scale Update Rule (arXiv 1706.08500), equation 6: |m - m'|^2 +
    tr(C + C' - 2 (C C')^(1/2)); the trace of that root is the sum of the roots of the eigenvalues of
    C^(1/2) C' C^(1/2), which are those of C C'. It is biased upwards in few samples.

    Args:
        real: float (N, D), N at least 2; below D + 1 the covariance is singular, and the distance says little.
        fake: float (M, D), likewise.

    Returns:
        At least 0.
    """
    means, covariances = zip(*(_moments(one.double()) for one in (real, fake)), strict=True)
    root = _root(covariances[0])
    shared = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp_min(0).sqrt().sum()
    apart = (means[0] - means[1]).square().sum() + covariances[0].trace() + covariances[1].trace() - 2 * shared
    return max(0.0, float(apart))


def _moments(points: Tensor) -> tuple[Tensor, Tensor]:
    return points.mean(0), torch.atleast_2d(points.T.cov())


def _root(matrix: Tensor) -> Tensor:
    """The root of a symmetric matrix that has no negative eigenvalues but by rounding."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ (values.clamp_min(0).sqrt()[:, None] * vectors.T)


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """The squared maximum mean discrepancy of the kernel (x'y / D + 1)^3, without bias in few samples.

    M. Bińkowski et al., Demystifying MMD GANs (arXiv 1801.01401), equation 4, over all pairs at once. The estimate of
    two equal distributions is as often below 0 as above.

    Args:
        real: float (N, D), N at least 2.
        fake: float (M, D), likewise.
    """
    real, fake = real.double(), fake.double()
    return _within(real) + _within(fake) - 2 * float(_kernel(real, fake).mean())


def _kernel(some: Tensor, others: Tensor) -> Tensor:
    return (some @ others.T / some.shape[1] + 1) ** 3


def _within(points: Tensor) -> float:
    """The mean over pairs of different points."""
    pairs = _kernel(points, points)
    return float(pairs.sum() - pairs.trace()) / (len(points) * (len(points) - 1))
