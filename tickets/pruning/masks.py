"""Which weights can be pruned, which are kept, and what a mask means while training."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import cast

import torch
from torch import Tensor, nn

Masks = dict[str, Tensor]
"""Boolean tensors by weight name; True is kept."""


class Semantics(StrEnum):
    """The names of what a mask does to its weight while training; `tickets.training.masking` holds what they do."""

    REPARAM = "reparam"
    PROJECTION = "projection"
    SCORED = "scored"


def prunable(module: nn.Module) -> dict[str, nn.Parameter]:
    """Every convolution and linear weight by name, in order of definition.

    Example:
        >>> list(prunable(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2))))
        ['0.weight', '2.weight']
    """
    return {
        f"{name}.weight" if name else "weight": cast(nn.Parameter, layer.weight)
        for name, layer in module.named_modules()
        if isinstance(layer, nn.modules.conv._ConvNd | nn.Linear)
    }


def ones(weights: Mapping[str, Tensor]) -> Masks:
    """Masks that keep everything."""
    return {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}


def keep_top(scores: Mapping[str, Tensor], sparsity: float) -> Masks:
    """Keep the globally highest scores.

    Args:
        scores: per weight, float, any shape; larger is kept. Not modified.
        sparsity: removed fraction of all entries, in [0, 1).

    Returns:
        Boolean masks with the keys and shapes of `scores`. Exactly round(sparsity * total) entries
        are False; among equal scores the earlier entry is kept.

    Raises:
        ValueError: sparsity outside [0, 1), no scores, or a score that is not finite (named).

    Example:
        >>> keep_top({"w": torch.tensor([1.0, 3.0, 2.0])}, sparsity=1 / 3)
        {'w': tensor([False,  True,  True])}
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity must be in [0, 1), got {sparsity}")
    if not scores:
        raise ValueError("there are no scores to choose from")
    for name, score in scores.items():
        if not torch.isfinite(score).all():
            raise ValueError(f"the scores of '{name}' are not all finite")
    flat = torch.cat([score.detach().flatten() for score in scores.values()])
    removed = round(sparsity * flat.numel())
    keep = torch.ones_like(flat, dtype=torch.bool)
    if removed:
        threshold = flat.kthvalue(removed).values
        keep = flat > threshold
        tied = (flat == threshold).nonzero().flatten()
        keep[tied[: flat.numel() - removed - int(keep.sum())]] = True
    parts = keep.split([score.numel() for score in scores.values()])
    return {name: part.view(score.shape) for (name, score), part in zip(scores.items(), parts, strict=True)}


def highest(score: Tensor, count: int) -> Tensor:
    """A mask of the `count` highest scores of one tensor; among equal ones the earlier entry is kept."""
    if count == 0:
        return torch.zeros_like(score, dtype=torch.bool)
    return keep_top({"score": score}, 1 - count / score.numel())["score"]


def sparsity_of(masks: Mapping[str, Tensor]) -> float:
    """Removed share of all masked weights, in [0, 1]; 0 without masks."""
    total = sum(mask.numel() for mask in masks.values())
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / total if total else 0.0


@torch.no_grad()
def project(module: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set every masked weight of `module` to zero, in place: w <- m*w."""
    Masked(module, masks).project()


class Masked:
    """The masked weights of a module beside their masks as numbers, so that all can be multiplied at once.

    Holds while the module has these parameters; their values may change.

    Args:
        module: that has the weights.
        masks: by weight name as seen from `module`.
    """

    def __init__(self, module: nn.Module, masks: Mapping[str, Tensor]) -> None:
        self.weights: list[Tensor] = [module.get_parameter(name) for name in masks]
        pairs = zip(self.weights, masks.values(), strict=True)
        self.factors = [torch.empty_like(weight.detach()).copy_(mask) for weight, mask in pairs]  # strides, too

    @torch.no_grad()
    def project(self) -> None:
        """w <- m*w, in place."""
        if self.weights:
            torch._foreach_mul_(self.weights, self.factors)
