"""Maps of which only some channels are computed, and what brings them to their full width."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
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
    offset: Tensor

    def __init__(self, carried: Carried) -> None:
        super().__init__()
        live = carried.live
        self.is_whole = bool(live.all())
        places = torch.where(live, live.cumsum(0) - 1, live.sum())  # the others read an appended zero channel
        self.register_buffer("places", places)
        self.register_buffer("offset", carried.offset[:, None, None].clone())

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, live, H, W) to (B, C, H, W)."""
        if not self.is_whole:
            x = F.pad(x, (0, 0, 0, 0, 0, 1)).index_select(1, self.places)
        return x + self.offset


def restored(carried: Carried) -> nn.Module:
    """What turns a carried map into the whole one; an identity where nothing is missing."""
    return nn.Identity() if carried.is_whole else Restore(carried)


def at_least_one(keep: Tensor) -> Tensor:
    """`keep` with the first entry set if none is: a map without channels has no size to pass on."""
    return keep if keep.any() else torch.arange(len(keep)) == 0
