"""What generated images score beside real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from tasks.heads.adversarial import Played
from tasks.metrics.moments import frechet, kernel_distance
from tasks.metrics.prdc import coverage, precision
from tasks.views.batches import denormalise

Features = Callable[[Tensor], Tensor]
"""From images uint8 (B, 3, H, W) to float (B, D), of every image by itself."""

NEIGHBOURS = 5
CHUNK = 64
"""Images whose features are computed at once."""


class Generated:
    """Coverage, precision and recall of generated images among real ones, and two distances of distributions.

    The distances are called after the network whose features they are of: `kid_lite0`, which is 0 where its estimate
    is below, and `fid_lite0` where there are more images of both kinds than features; fewer give a singular covariance.
    Neither may be compared with distances of Inception's features, which the field calls FID and KID.

    Images are kept as pixels, and looked at together and in an order of their own, so that scores do not depend on
    batches; features of the real ones are computed once a process.

    Args:
        features: of the metric's network.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        self.real: list[Tensor] = []
        self.fake: list[Tensor] = []
        self._found: dict[str, float] = {}

    @property
    def count(self) -> int:
        """Generated images seen."""
        return sum(map(len, self.fake))

    @property
    def amounts(self) -> list[str]:
        """Which distances are computed."""
        return [name for name in self.compute() if name.endswith("_lite0")]

    def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add `tasks.heads.adversarial.Played.packed` and `batch["image"]`, (B, 3, H, W), normalised."""
        self._found = {}
        image = batch["image"].detach()
        self.real.append(denormalise(image).cpu())
        self.fake.append(denormalise(Played.of(outputs.detach().float(), image.shape[2:]).image).cpu())

    def merge(self, other: Generated) -> None:
        """Add what another one has seen."""
        self._found = {}
        self.real += other.real
        self.fake += other.fake

    def compute(self) -> dict[str, float]:
        """{"coverage", "precision", "recall", "kid_lite0"}, and "fid_lite0" where there are enough images.

        Raises:
            ValueError: not more than five images were seen.
        """
        if self._found:
            return dict(self._found)
        if self.count <= NEIGHBOURS:
            raise ValueError(f"coverage of {self.count} images is undefined: update() with more than {NEIGHBOURS}.")
        real, fake = _kept(self.features, *_packed(self.real)), _computed(self.features, *_packed(self.fake))
        self._found = {
            "coverage": coverage(real, fake, NEIGHBOURS),
            "precision": precision(real, fake, NEIGHBOURS),
            "recall": precision(fake, real, NEIGHBOURS),
            "kid_lite0": max(0.0, kernel_distance(real, fake)),
        }
        if min(len(real), len(fake)) > real.shape[1]:
            self._found["fid_lite0"] = frechet(real, fake)
        return dict(self._found)


def _packed(images: list[Tensor]) -> tuple[bytes, tuple[int, ...]]:
    """Images in the order of their pixels, and the shape of one."""
    together = torch.cat(images)
    rows = sorted(row.tobytes() for row in together.numpy())
    return b"".join(rows), tuple(together.shape[1:])


def _computed(features: Features, pixels: bytes, shape: tuple[int, ...]) -> Tensor:
    """Features of packed images."""
    images = torch.from_numpy(np.frombuffer(pixels, np.uint8).reshape(-1, *shape).copy())
    with torch.no_grad():
        return torch.cat([features(some) for some in images.split(CHUNK)])


_kept = lru_cache(maxsize=4)(_computed)
"""The same, remembered: those of the real images of val and test, for two tasks."""
