"""Ordered dropout: many nested sub-networks of a host of search blocks train in one pass, one for each image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tickets.hosts.blocks import SearchBlock
from tickets.search.searchable import Units

Widths = Mapping[str, Tensor]
"""By block the live units of each image and kernel size, int64 (B, kernels)."""


def search_blocks_of(host: nn.Module) -> dict[str, SearchBlock]:
    """The blocks of a host that still have units, by name."""
    found = {name: block for name, block in host.named_modules() if isinstance(block, SearchBlock)}
    return {name: block for name, block in found.items() if block.units}


def drawn(
    blocks: Mapping[str, Units], images: int, shares: int, bypass: bool, generator: torch.Generator
) -> dict[str, Tensor]:
    """Widths drawn uniformly from 0 and the multiples of 1 / `shares`, for each image, block and kernel size by itself.

    Args:
        blocks: units of each block by kernel size.
        images: B.
        shares: how many widths above 0 there are.
        bypass: whether all kernels of a block may get 0, which leaves its skip; else one of them gets its least width.
        generator: decides.
    """
    found = {}
    for name, units in blocks.items():
        sizes = torch.tensor(list(units.values()))
        share = torch.randint(0, shares + 1, (images, len(sizes)), generator=generator)
        rescued = torch.randint(0, len(sizes), (images, 1), generator=generator)
        if not bypass:
            dead = share.sum(1, keepdim=True) == 0
            share.scatter_(1, rescued, torch.where(dead, 1, share.gather(1, rescued)))
        found[name] = (share * sizes + shares // 2) // shares
    return found


def gate(live: Tensor, sizes: Sequence[int]) -> Tensor:
    """Which hidden units live: the first ones of every kernel size.

    Args:
        live: int64 (B, kernels).
        sizes: units of each kernel size.

    Returns:
        float32 (B, hidden), 0 and 1.

    Example:
        >>> gate(torch.tensor([[1, 0], [2, 3]]), [2, 3]).tolist()
        [[1.0, 0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0]]
    """
    return torch.cat([(torch.arange(n)[None] < live[:, i : i + 1]).float() for i, n in enumerate(sizes)], 1)


class OrderedDropout:
    """Gives every image that a host trains on widths of its own, for the pass alone.

    Args:
        host: of search blocks; copies of it are left alone.
        draw: gives the widths for a number of images.
    """

    def __init__(self, host: nn.Module, draw: Callable[[int], Widths]) -> None:
        self.host, self.draw = host, draw
        self._hooks = [host.register_forward_pre_hook(self._before), host.register_forward_hook(self._after)]

    def __deepcopy__(self, memo: dict[int, Any]) -> OrderedDropout:
        """A copied host keeps the hooks, which know their own host."""
        return self

    def remove(self) -> None:
        """Leave the host as it was."""
        for hook in self._hooks:
            hook.remove()

    def _before(self, host: nn.Module, inputs: tuple[Any, ...]) -> None:
        image = inputs[0]
        if host is not self.host or not host.training or image.is_meta:
            return
        blocks = search_blocks_of(host)
        for name, live in self.draw(len(image)).items():
            blocks[name].gate = gate(live, list(blocks[name].units.values())).to(image.device)

    def _after(self, host: nn.Module, inputs: tuple[Any, ...], maps: Any) -> None:
        if host is self.host:
            for block in search_blocks_of(host).values():
                block.gate = None
