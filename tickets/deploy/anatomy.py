"""What is left of a host in a ticket: block by block, layer by layer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from tickets.cost import layer_costs
from tickets.search.searchable import search_blocks
from tickets.ticket import Ticket

_BLOCK, _NEW, _PATH = (
    re.compile(rf"{kind}\.(\d+)\.{rest}")
    for kind, rest in (("branches", r"(\d+)\.(\d+)"), ("fuses", "new"), ("fuses", r"paths\.(\d+)to(\d+)"))
)
"""Names of a supernet's search blocks: in a branch, making a branch, leading from one to another."""


@dataclass(frozen=True)
class Block:
    """A search block.

    Args:
        name: as the host names it.
        live: units per kernel size that the search left; absent kernel sizes are 0.
        full: units per kernel size before the search.
        weights: prunable weights that the search left.
        kept: of them, those that the mask keeps.
    """

    name: str
    live: Mapping[int, int]
    full: Mapping[int, int]
    weights: int
    kept: int


@dataclass(frozen=True)
class Spot:
    """Where a search block stands in a picture of its supernet.

    Args:
        column: from 0, from input to output; a fusion has one for each branch that its paths come from.
        row: 0 for the finest branch.
        is_fusion: whether it leads from one branch to another.
        over: what its column is, in two lines.
    """

    column: int
    row: int
    is_fusion: bool
    over: str


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer.

    Args:
        name: as the host names it.
        shape: of its weight.
        weights: numbers in it.
        kept: of them, those that the mask keeps.
        macs: of all weights, for one image.
        sparse_macs: of the kept ones.
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    kept: int
    macs: int
    sparse_macs: int

    @property
    def sparsity(self) -> float:
        """Removed share of its weights, in [0, 1]; 1 for a dead layer."""
        return 1 - self.kept / self.weights


def layers(ticket: Ticket, size: tuple[int, int]) -> list[Layer]:
    """Every layer of a ticket's host.

    Args:
        ticket: with or without weights.
        size: (H, W) of the input that MACs are counted for.
    """
    with torch.device("meta"):
        costs = layer_costs(ticket.spec.build(ticket.host.units), size)
    macs: dict[str, int] = {}
    for cost in costs:  # a layer may run more than once
        macs[cost.name] = macs.get(cost.name, 0) + cost.macs
    found = []
    for weight, mask in ticket.host.masks.items():
        name, kept = weight.removesuffix(".weight"), int(mask.sum())
        total = macs.get(name, 0)
        found.append(Layer(name, tuple(mask.shape), mask.numel(), kept, total, total // mask.numel() * kept))
    return found


def blocks(ticket: Ticket) -> list[Block]:
    """Every search block of a ticket's host; none where the host is not searched."""
    with torch.device("meta"):
        full = search_blocks(ticket.spec.build())
    found = []
    for name, block in full.items():
        masks = [mask for weight, mask in ticket.host.masks.items() if weight.startswith(f"{name}.")]
        live = ticket.host.units[name]
        found.append(
            Block(
                name,
                {k: live.get(k, 0) for k in block.units},
                block.units,
                sum(mask.numel() for mask in masks),
                sum(int(mask.sum()) for mask in masks),
            )
        )
    return found


def spots(names: Iterable[str]) -> dict[str, Spot]:
    """Where the search blocks of a supernet stand in a picture, by name; nothing where one is called otherwise.

    Args:
        names: of all of them.

    Example:
        >>> spots(["branches.0.0.0", "fuses.1.new"])["fuses.1.new"]
        Spot(column=1, row=1, is_fusion=True, over='stage 1\\nfrom 1/4')
        >>> spots(["branches.0.0.0", "body"])
        {}
    """
    places: dict[str, tuple[tuple[int, int, int], int]] = {}
    for name in names:
        if (place := _place(name)) is None:
            return {}
        places[name] = place
    columns = {key: number for number, key in enumerate(sorted({key for key, _ in places.values()}))}
    found = {}
    for name, (key, row) in places.items():
        stage, is_block, which = key
        over = f"block {which}" if is_block else f"from 1/{4 * 2**which}"
        found[name] = Spot(columns[key], row, not is_block, f"stage {stage}\n{over}")
    return found


def _place(name: str) -> tuple[tuple[int, int, int], int] | None:
    """(stage, whether it is in a branch, which) of a block's column, which sorts from input to output, and its row."""
    if block := _BLOCK.fullmatch(name):
        stage, branch, index = map(int, block.groups())
        return (stage, 1, index), branch
    if made := _NEW.fullmatch(name):
        stage = int(made[1])  # from the last branch that was fused
        return (stage, 0, stage - 1), stage
    if path := _PATH.fullmatch(name):
        stage, source, target = map(int, path.groups())
        return (stage, 0, source), target
    return None
