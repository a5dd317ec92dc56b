"""Bits per dimension of images, and the share of their raw bits that they save."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from tasks.heads.latent import Told
from tasks.metrics.likelihood import LEVELS, bits, distortion, divergence
from tasks.views.batches import denormalise

RAW = math.log2(LEVELS)
WORST = -math.log(torch.finfo(torch.float32).tiny)
"""What each number of an image costs, in nats, whose outputs are not all finite."""


class BitsPerDimension:
    """The negative evidence lower bound, "bpd", in bits per number of an image; "saved" = max(0, 1 - bpd / 8).

    One sample of each image's latent is taken, so that it is an unbiased estimate of that bound, which no code length
    of the model exceeds; "rate", the divergence of the latent from the prior, and "distortion", the image given the
    latent, add up to it. All is computed in float64.
    """

    amounts: ClassVar[tuple[str, ...]] = ("bpd", "rate", "distortion")

    def __init__(self) -> None:
        self.rate = self.distortion = 0.0
        self.count = 0

    def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add `tasks.heads.latent.Told.packed` (B, 9 H W + 2 d) and `batch["image"]` (B, 3, H, W), normalised."""
        image = batch["image"]
        told = Told.of(outputs.detach().double(), (image.shape[2], image.shape[3]))
        size = image[0].numel()
        cost = distortion(denormalise(image), told.mean, told.log_scale, told.lean)
        rate = divergence(told.mu, told.logvar).sum(1)
        finite = (cost + rate).isfinite()
        self.distortion += float(bits(torch.where(finite, cost, WORST * size), size).sum())
        self.rate += float(bits(torch.where(finite, rate, 0.0), size).sum())
        self.count += len(outputs)

    def merge(self, other: BitsPerDimension) -> None:
        """Add another one's sums."""
        self.rate += other.rate
        self.distortion += other.distortion
        self.count += other.count

    def compute(self) -> dict[str, float]:
        """{"saved": a fraction, "bpd", "rate", "distortion": in bits}.

        Raises:
            ValueError: no image was seen.
        """
        if not self.count:
            raise ValueError("the bits of no image are undefined: call update() first.")
        rate, distortion = self.rate / self.count, self.distortion / self.count
        bpd = rate + distortion
        return {"saved": max(0.0, 1 - bpd / RAW), "bpd": bpd, "rate": rate, "distortion": distortion}
