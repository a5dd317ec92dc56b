"""Top-1 and top-5 of classification."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class TopK:
    """Share of images whose class is guessed first ("top1") and, above five classes, among five ("top5").

    Equal logits rank by class index, the lower first, so that a constant output scores as class 0 does. An
    image whose logits are not all finite counts as wrong.

    Args:
        classes: number of classes C.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.ranks = (1, 5) if classes > 5 else (1,)
        self.hits = torch.zeros(len(self.ranks), dtype=torch.int64)
        self.count = 0

    def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add logits float (B, C) and `batch["label"]` int64 (B,)."""
        logits, label = outputs.detach().float(), batch["label"][:, None]
        own = logits.gather(1, label)
        earlier = torch.arange(self.classes, device=logits.device) < label
        rank = ((logits > own) | ((logits == own) & earlier)).sum(1)
        finite = logits.isfinite().all(1)
        self.hits += torch.stack([((rank < k) & finite).sum() for k in self.ranks]).cpu()
        self.count += len(logits)

    def merge(self, other: TopK) -> None:
        """Add another TopK's counts."""
        self.hits += other.hits
        self.count += other.count

    def compute(self) -> dict[str, float]:
        """{"top1": ..., "top5": ...}; "top5" only above five classes.

        Raises:
            ValueError: no image was seen.
        """
        if not self.count:
            raise ValueError("top-1 of no image is undefined: call update() first.")
        return {f"top{k}": int(hits) / self.count for k, hits in zip(self.ranks, self.hits, strict=True)}
