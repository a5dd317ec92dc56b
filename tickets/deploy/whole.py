"""A network from a decoder's pixels to a task's outputs, ready to be exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tickets.source import MEAN, STD
from tickets.training.ensemble import Ensemble
from tickets.training.network import Network


class Whole(nn.Module):
    """Host and head behind the normalisation: RGB (B, 3, H, W), float32 in [0, 255] -> [outputs].

    Args:
        network: images, normalised -> outputs; a `Network`, or an `Ensemble` of some.
    """

    takes_pixels: ClassVar[bool] = True

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
        self.register_buffer("offset", -mean / std)
        self.register_buffer("scale", 1 / (255 * std))

    def forward(self, image: Tensor) -> list[Tensor]:
        """The outputs, alone in a list, as maps of a host are."""
        return [self.network(torch.addcmul(self.get_buffer("offset"), image, self.get_buffer("scale")))]


def together(
    networks: Sequence[nn.Module], hosts: Sequence[nn.Module], merge: Callable[[list[Any]], Any]
) -> Network | Ensemble:
    """Networks on other hosts that compute the same, as one.

    Args:
        networks: each of a host and a head, which is shared.
        hosts: of each, as `compact` makes them.
        merge: makes one prediction of several.
    """
    made = [Network(host, one.get_submodule("head")) for one, host in zip(networks, hosts, strict=True)]
    return made[0] if len(made) == 1 else Ensemble(made, merge)
