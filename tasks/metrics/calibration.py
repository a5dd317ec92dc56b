"""How far a classifier's probabilities can be trusted, and how far several classifiers differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor

BINS = 15
WORST = -math.log(torch.finfo(torch.float32).tiny)
"""The likelihood's logarithm, in nats, that an image costs whose logits are not all finite."""


class Calibration:
    """Negative log likelihood, "nll" in nats an image, and expected calibration error, "ece" as a fraction.

    C. Guo et al., On Calibration of Modern Neural Networks (arXiv 1706.04599), equation 3, with 15 bins of equal width,
    each open below and closed above: the mean over images of |accuracy - confidence| of the bin that an image's highest
    probability falls in. An image whose logits are not all finite counts as wrong at confidence 1.
    """

    amounts: ClassVar[tuple[str, ...]] = ("nll",)

    def __init__(self) -> None:
        self.nll = 0.0
        self.bins = torch.zeros(3, BINS, dtype=torch.float64)  # images, hits, sums of confidences
        self.count = 0

    def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add logits float (B, C) and `batch["label"]` int64 (B,)."""
        finite = outputs.isfinite().all(1)
        logs = outputs.detach().double().log_softmax(1)
        likely, guess = logs.max(1)
        confidence = torch.where(finite, likely.exp(), 1.0)
        hit = (guess == batch["label"]) & finite
        cost = -logs.gather(1, batch["label"][:, None])[:, 0]
        self.nll += float(torch.where(finite, cost, WORST).sum())
        place = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
        rows = torch.stack([torch.ones_like(confidence), hit.double(), confidence]).cpu()
        self.bins.index_add_(1, place.cpu(), rows)
        self.count += len(outputs)

    def merge(self, other: Calibration) -> None:
        """Add another one's sums."""
        self.nll += other.nll
        self.bins += other.bins
        self.count += other.count

    def compute(self) -> dict[str, float]:
        """{"nll": ..., "ece": ...}; of both less is better.

        Raises:
            ValueError: no image was seen.
        """
        if not self.count:
            raise ValueError("the calibration of no image is undefined: call update() first.")
        _, hits, confidences = self.bins
        return {"nll": self.nll / self.count, "ece": float((hits - confidences).abs().sum()) / self.count}


class Disagreement:
    """Mean over all pairs of classifiers of the share of images that they put into different classes.

    Args:
        networks: how many classifiers, at least 2.
    """

    def __init__(self, networks: int) -> None:
        self.pairs = list(combinations(range(networks), 2))
        self.unequal = self.count = 0

    def update(self, outputs: Sequence[Tensor], batch: Mapping[str, Tensor]) -> None:
        """Add each classifier's logits float (B, C) for a batch; of equal logits the first class is guessed."""
        guesses = [one.argmax(1) for one in outputs]
        self.unequal += sum(int((guesses[one] != guesses[other]).sum()) for one, other in self.pairs)
        self.count += len(guesses[0])

    def merge(self, other: Disagreement) -> None:
        """Add another one's counts."""
        self.unequal += other.unequal
        self.count += other.count

    def compute(self) -> dict[str, float]:
        """{"disagreement": ...}, a fraction.

        Raises:
            ValueError: no image was seen.
        """
        if not self.count:
            raise ValueError("the disagreement about no image is undefined: call update() first.")
        return {"disagreement": self.unequal / (len(self.pairs) * self.count)}
