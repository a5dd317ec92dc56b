"""Where the noise of a latent comes from: the training's randomness, or what is stated while a network is scored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b

import torch
from torch import Tensor

from tickets.seeding import generator

_STATED: ContextVar[tuple[Tensor, bool] | None] = ContextVar("noise", default=None)


@contextmanager
def stated(values: Tensor, is_latent: bool = False) -> Iterator[None]:
    """State the noise of all latents in a block.

    Args:
        values: (B, d), a row for each image that networks are run on.
        is_latent: they are the latents themselves, whatever the images are: samples from the prior.
    """
    token = _STATED.set((values, is_latent))
    try:
        yield
    finally:
        _STATED.reset(token)


def drawn(mu: Tensor, logvar: Tensor, is_training: bool) -> Tensor:
    """Latents mu + sigma * noise, (B, d).

    Training takes the noise from the global generators, which the loop seeds. Otherwise it is what is `stated`; where
    nothing is, as when weights are scored, the same numbers each time, by place in the batch.

    Args:
        mu, logvar: (B, d), of the posterior.
        is_training: whether the network is in training mode.
    """
    sigma = torch.exp(logvar / 2)
    if is_training:
        return mu + sigma * torch.randn_like(mu)
    if (found := _STATED.get()) is None:
        return mu + sigma * torch.randn(mu.shape, generator=generator(0, "noise")).to(mu)
    values, is_latent = found
    return values.to(mu) if is_latent else mu + sigma * values.to(mu)


def of_images(images: Tensor, width: int, purpose: str) -> Tensor:
    """Standard normal noise (B, width) that is a function of each image and nothing else, on the CPU.

    So an image's noise is the same for all networks, and in whatever batch and place it is scored.

    Args:
        images: uint8 (B, 3, H, W).
        width: numbers an image.
        purpose: other purposes give unrelated noise.
    """
    names = [blake2b(image.contiguous().numpy().tobytes(), digest_size=16).hexdigest() for image in images.cpu()]
    return torch.stack([torch.randn(width, generator=generator(0, "noise", purpose, name)) for name in names])
