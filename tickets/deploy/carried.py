"""Maps of which only some channels are computed, and what brings them to their full width."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Carried:
    """How a map of the host is carried: it is the `live` channels, in their places, plus `offset`.

    Args:
        live: boolean, (C,).
        offset: float, (C,): the value of a channel that is not live, and what a live one still lacks.
    """

    live: Tensor
    offset: Tensor

    @classmethod
    def after(cls, live: Tensor, value: Tensor) -> Carried:
        """Carried by a layer whose bias added what the live channels lacked; `value` is that of the others."""
        return cls(live, value.masked_fill(live, 0))

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return bool(self.live.all()) and not bool(self.offset.any())


class Restore(nn.Module):
    """Gives a carried map its other channels and its offset back; (B, live, H, W) -> (B, C, H, W).

    Args:
        carried: how the map is carried.
    """

    places: Tensor
    lack: Tensor
    constants: Tensor

    def __init__(self, carried: Carried) -> None:
        super().__init__()
        live, offset = carried.live, carried.offset[:, None, None]
        self.is_whole, self.lacks = bool(live.all()), bool(offset[live].any())
        self.register_buffer("places", torch.cat([live.nonzero(), (~live).nonzero()]).flatten().argsort())
        self.register_buffer("lack", offset[live])
        self.register_buffer("constants", offset[~live])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, live, H, W) to (B, C, H, W)."""
        if self.lacks:
            x = x + self.lack
        if self.is_whole:
            return x
        constants = self.constants.expand(x.shape[0], -1, *x.shape[-2:])
        return torch.cat([x, constants], 1).index_select(1, self.places)


def restored(carried: Carried) -> nn.Module:
    """What turns a carried map into the whole one; an identity where nothing is missing."""
    return nn.Identity() if carried.is_whole else Restore(carried)


def at_least_one(keep: Tensor) -> Tensor:
    """`keep` with the first entry set if none is: a map without channels has no size to pass on."""
    return keep if keep.any() else torch.arange(len(keep)) == 0
