"""Optimal brain surgery on one layer: the output's squared error is a parabola in the weights of each output.

Removing weights P of an output that reads X adds w_P' [(H^-1)_PP]^-1 w_P to |wX - w'X|^2, H = X X', if the weights K
that stay are moved to their best values, w_K + (H_KK)^-1 H_KP w_P (Hassibi & Stork, 1993; Frantar & Alistarh, arXiv
2208.11580, eq. 3 and 4). Weights are (out, in / groups, ...), H is (groups, d, d) in float64, d weights of an output.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

DAMPING = 0.01
"""Of the mean of H's diagonal, added to it, as SparseGPT does (arXiv 2301.00774, released code)."""

AT_ONCE = 2**24
"""Numbers of the matrices of all outputs that are held at once."""


def damped(hessian: Tensor) -> Tensor:
    """H with a constant on its diagonal, which makes it definite; the identity where no input was ever seen."""
    mean = hessian.diagonal(dim1=1, dim2=2).mean(1)
    added = torch.where(mean > 0, DAMPING * mean, 1.0)
    return hessian + added[:, None, None] * torch.eye(hessian.shape[1], dtype=hessian.dtype, device=hessian.device)


def saliency(weight: Tensor, mask: Tensor, hessian: Tensor) -> Tensor:
    """w_j^2 / [(H_KK)^-1]_jj, the error that removing one more weight makes, the others of its output compensating.

    Args:
        weight: of the layer.
        mask: boolean, like the weight: which are there (K); those that are not get 0.
        hessian: damped.

    Returns:
        float64, shaped like the weight.
    """
    rows, there = _rows(weight, hessian), _rows(mask, hessian) > 0
    judged = there[:, :1] if bool(there.all()) else there  # then all outputs of a group share one matrix
    diagonals = [torch.cholesky_inverse(factor).diagonal(dim1=-2, dim2=-1) for factor, _ in _factors(hessian, judged)]
    return (rows.square() / torch.cat(diagonals, 1) * there).view(weight.shape)


def compensated(weight: Tensor, mask: Tensor, hessian: Tensor) -> Tensor:
    """The weights under a mask that come nearest to what the layer gave: zero where removed, best where kept.

    Args:
        weight: of the layer, float of any precision.
        mask: boolean, like the weight: which stay.
        hessian: damped.

    Returns:
        Of the weight's dtype and shape.
    """
    rows, kept = _rows(weight, hessian), _rows(mask, hessian)
    pull = rows * (1 - kept) @ hessian * kept
    moves = [torch.cholesky_solve(pull[:, at, :, None], factor)[..., 0] for factor, at in _factors(hessian, kept > 0)]
    return ((rows + torch.cat(moves, 1)) * kept).view(weight.shape).to(weight.dtype)


def _rows(tensor: Tensor, hessian: Tensor) -> Tensor:
    """A tensor like a layer's weight as (groups, outputs of a group, d), float64."""
    return tensor.detach().double().reshape(len(hessian), -1, hessian.shape[1])


def _factors(hessian: Tensor, kept: Tensor) -> Iterator[tuple[Tensor, slice]]:
    """Cholesky factors of H_KK of some outputs of every group, beside which; the identity for weights that are gone."""
    groups, outputs, d = kept.shape
    step = max(1, AT_ONCE // (groups * d * d))
    eye = torch.eye(d, dtype=hessian.dtype, device=hessian.device)
    for start in range(0, outputs, step):
        at = slice(start, start + step)
        both = kept[:, at, :, None] & kept[:, at, None, :]
        yield torch.linalg.cholesky(torch.where(both, hessian[:, None], eye)), at
