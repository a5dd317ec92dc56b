"""What units cost: MACs of one, of all, of the live ones, and the penalty in proportion to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from tickets.cost import LayerCost
from tickets.search.searchable import Searchable, search_blocks

UnitCosts = dict[str, dict[int, float]]
"""A number per block and kernel size; every unit of one kernel branch of a block costs the same."""


def unit_costs(network: nn.Module, layers: Iterable[LayerCost]) -> UnitCosts:
    """MACs that one hidden unit takes part in: its share of expansion, depthwise and projection.

    Args:
        network: any module that holds search blocks; blocks without units are left out.
        layers: its layers' costs, from `layer_costs`.
    """
    macs: dict[str, int] = {}
    for layer in layers:  # a layer may run more than once
        macs[layer.name] = macs.get(layer.name, 0) + layer.macs
    return {name: block.unit_macs(_inside(macs, name)) for name, block in search_blocks(network).items() if block.units}


def _inside(macs: Mapping[str, int], block: str) -> dict[str, int]:
    """Those of a block's layers, by its own names."""
    prefix = f"{block}."
    return {name.removeprefix(prefix): number for name, number in macs.items() if name.startswith(prefix)}


def penalties(network: nn.Module, costs: UnitCosts) -> UnitCosts:
    """Unit costs over their mean, so that the mean over all units of the full network is 1.

    SuperTickets, the normaliser of the MACs-aware L1 penalty; computed once, on the full network.
    """
    units = [(costs[name][k], n) for name, b in search_blocks(network).items() for k, n in b.units.items()]
    mean = sum(cost * n for cost, n in units) / (sum(n for _, n in units) + 1e-5)
    return {name: {k: cost / mean for k, cost in kernels.items()} for name, kernels in costs.items()}


def per_unit(block: Searchable, values: Mapping[int, float]) -> Tensor:
    """A value per kernel size spread over a block's units; float32 (hidden,) on the block's device."""
    parts = [block.gamma.new_full((n,), values[k]) for k, n in block.units.items()]
    return torch.cat(parts)


class Penalty:
    """The sum over units of penalty factor x |gamma|, while the architecture stays.

    Args:
        network: with search blocks.
        factors: from `penalties`.
    """

    def __init__(self, network: nn.Module, factors: UnitCosts) -> None:
        blocks = {name: block for name, block in search_blocks(network).items() if block.units}
        self.gammas = [block.gamma for block in blocks.values()]
        none = next(network.parameters()).new_zeros(0)
        self.factors = torch.cat([none, *(per_unit(block, factors[name]) for name, block in blocks.items())])

    def __call__(self) -> Tensor:
        """The sum; differentiable, scalar."""
        return self.factors.dot(torch.cat([self.factors[:0], *self.gammas]).abs())


def total_unit_macs(network: nn.Module, layers: Iterable[LayerCost], live: Mapping[str, Tensor] | None = None) -> float:
    """MACs of all units, or of the live ones, for one image."""
    blocks = search_blocks(network)
    total = 0.0
    for name, kernels in unit_costs(network, layers).items():
        cost = per_unit(blocks[name], kernels)
        total += float((cost if live is None else cost[live[name]]).sum())
    return total
