"""Reconstruction: a variational autoencoder, whose encoder is the host and whose decoder is the head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from PIL import Image, ImageOps

from tasks.base import Features
from tasks.kinds.images import Images
from tasks.picture import Panel, pictures, shown
from tickets.errors import UserError
from tickets.traits import Taken

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tasks.answer import Answer
    from tasks.metrics.bits import BitsPerDimension

CHANNELS = ("red", "green", "blue")


@dataclass(frozen=True)
class Reconstruction(Images):
    """Images again, through a few numbers: a variational autoencoder (arXiv 1312.6114), in bits per dimension.

    Outputs: `tasks.heads.latent.Told.packed`, a discretised logistic for every number of the image and the Gaussian
    that its latent is drawn from. What is trained on is the negative evidence lower bound; scored is the same with
    noise that is a function of the image, so that two scorings are equal bit for bit, in batches of any size.

    Args:
        latent: numbers d of the latent.
        decoder_width: channels of the decoder's largest map.

    Raises:
        UserError: latent or decoder_width is below 1.
    """

    latent: int = 64
    decoder_width: int = 16

    has_released_head: ClassVar[bool] = False
    stands_on: ClassVar[tuple[Taken, ...]] = ("image", "latent")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("latent", "decoder_width"):
            if (value := getattr(self, name)) < 1:
                raise UserError(f"{name} is {value}; give a whole number of at least 1.")

    def predict(self, network: Callable[[Tensor], Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The outputs at one latent of each image, by noise that belongs to the image."""
        return self._at(network, batch["image"], "posterior")

    def imagined(self, network: Callable[[Tensor], Tensor], batch: Mapping[str, Tensor]) -> Sequence[Panel]:
        """What the decoder makes of a latent from the prior, as many as there are images."""
        made = self._at(network, batch["image"], "prior")
        return [Panel("sample", shown(image)) for image in self._drawn(made)]

    def _at(self, network: Callable[[Tensor], Tensor], image: Tensor, purpose: str) -> Tensor:
        from tasks.heads import noise
        from tasks.views.batches import denormalise

        values = noise.of_images(denormalise(image), self.latent, purpose)
        with noise.stated(values, is_latent=purpose == "prior"):
            return network(image)

    def head(self, features: Features) -> nn.Module:
        """The host's maps -> `Told.packed` (B, 9 H W + 2 latent)."""
        from tasks.heads.latent import Autoencoder

        return Autoencoder(features, self.size, self.latent, self.decoder_width)

    def ends(self, features: Features, latent: tuple[int, int]) -> nn.Module:
        """A dense encoder before the host, which is the decoder, and the likelihood behind it.

        Raises:
            UserError: the host's latents hold another number of numbers than `latent`.
        """
        from tasks.heads.bottleneck import round_decoder

        width, stride = latent
        numbers = width * (self.size[0] // stride) * (self.size[1] // stride)
        if numbers != self.latent:
            raise UserError(
                f"latent is {self.latent}, and the host makes {self.size[0]}x{self.size[1]} images of {numbers} "
                f"numbers; give latent={numbers}."
            )
        return round_decoder(features, latent, self.size)

    def loss(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Bits per dimension, divergence and image together."""
        from tasks.heads.latent import Told
        from tasks.metrics.likelihood import bits, distortion, divergence
        from tasks.views.batches import denormalise

        image = batch["image"]
        told = Told.of(outputs.float(), self.size)
        cost = distortion(denormalise(image), told.mean, told.log_scale, told.lean)
        nats = cost + divergence(told.mu, told.logvar).sum(1)
        return bits(nats.mean(), image[0].numel())

    def metric(self, split: str = "test") -> BitsPerDimension:
        """The share of raw bits saved, and bits per dimension."""
        from tasks.metrics.bits import BitsPerDimension

        return BitsPerDimension()

    def panels(self, batch: Mapping[str, Tensor], outputs: Tensor | None = None) -> Sequence[tuple[Panel, ...]]:
        """The input and, where outputs are given, the means that the decoder tells, without a sample's grain."""
        rows = [(Panel("input", shown(image)),) for image in pictures(batch["image"])]
        if outputs is None:
            return rows
        made = [Panel("reconstruction", shown(image)) for image in self._drawn(outputs)]
        return [(*row, panel) for row, panel in zip(rows, made, strict=True)]

    def _drawn(self, outputs: Tensor) -> np.ndarray:
        """The means as images uint8 (B, H, W, 3)."""
        from tasks.heads.latent import Told

        mean = Told.of(outputs.detach().float(), self.size).mean
        levels = ((mean + 1) * 127.5).round().clamp(0, 255)
        return levels.permute(0, 2, 3, 1).byte().cpu().numpy()

    def sight(self, image: np.ndarray) -> dict[str, Tensor]:
        """The largest centred part of the input's shape, resized."""
        import torch

        pixels = np.array(ImageOps.fit(Image.fromarray(image), self.size[::-1], Image.Resampling.BILINEAR))
        return self.batch({"image": torch.from_numpy(pixels.transpose(2, 0, 1))[None]})

    def answer(self, image: np.ndarray, outputs: Tensor) -> Answer:
        """{"bits_per_dimension": of the image as it was seen}; the picture is the reconstruction."""
        from tasks.answer import Answer

        metric = self.metric()
        metric.update(outputs, self.sight(image))
        panel = Panel("reconstruction", shown(self._drawn(outputs)[0]))
        return Answer({"bits_per_dimension": metric.compute()["bpd"]}, panel)

    def perfect(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The image itself at the sharpest scale, and a latent that says nothing."""
        import torch

        from tasks.heads.latent import SHARPEST, Told
        from tasks.metrics.likelihood import on_scale
        from tasks.views.batches import denormalise

        mean = on_scale(denormalise(batch["image"]).float())
        nothing = mean.new_zeros(len(mean), self.latent)
        return Told(mean, torch.full_like(mean, SHARPEST), torch.zeros_like(mean), nothing, nothing).packed()
