"""Pattern: every weight by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tickets.patterns.base import Whole
from tickets.pruning.allocation import allocate
from tickets.pruning.masks import Masks


@dataclass(frozen=True)
class Element(Whole):
    """Groups of one weight: exactly round(sparsity * weights) weights go."""

    def grouping(self, name: str, shape: Sequence[int]) -> Tensor:
        """(weights, 1)."""
        return torch.arange(torch.Size(shape).numel())[:, None]

    def masks(self, scores: Mapping[str, Tensor], sparsity: float, allocation: str) -> Masks:
        """As `allocate` has them."""
        return allocate(scores, sparsity, allocation)

    def wrong(self, masks: Mapping[str, Tensor], sparsity: float) -> str | None:
        """Whether too many or too few weights are gone."""
        gone, total = self._gone(masks)
        if gone != round(sparsity * total):
            return f"sparsity {gone / total} is not the {sparsity} that was drawn"
        return None

    def _gone(self, masks: Mapping[str, Tensor]) -> tuple[int, int]:
        total = sum(mask.numel() for mask in masks.values())
        return total - sum(int(mask.sum()) for mask in masks.values()), total

    def shuffled(self, name: str, mask: Tensor, generator: torch.Generator) -> Tensor:
        """Weights exchange their places."""
        return mask.flatten()[torch.randperm(mask.numel(), generator=generator)].view(mask.shape)
