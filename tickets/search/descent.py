"""Coordinate descent over architectures: what one costs, how a cheaper one is proposed, and cutting a network to it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tickets.cost import dense_macs, layer_costs
from tickets.hosts.blocks import SearchBlock
from tickets.search.costs import UnitCosts, unit_costs
from tickets.search.ordered import search_blocks_of
from tickets.search.surgery import in_multiples, shrink
from tickets.training.ema import Ema
from tickets.training.network import Network

Architecture = dict[str, dict[int, int]]
"""Live units by block of the host and kernel size; the first ones of each live."""
TRIES = 1000


@dataclass(frozen=True)
class Price:
    """What an architecture costs, as a sum over blocks: MACs, or seconds.

    Args:
        rest: what no unit has part in.
        blocks: what a block costs beside its units as long as it has any.
        units: what each unit of a kernel size of a block costs.
    """

    rest: float
    blocks: Mapping[str, float]
    units: UnitCosts

    def of(self, architecture: Architecture) -> float:
        """The sum."""
        return self.rest + sum(self.block(name, units) for name, units in architecture.items())

    def block(self, name: str, units: Mapping[int, int]) -> float:
        """The part of one block."""
        return sum(self.units[name][k] * n for k, n in units.items()) + self.blocks[name] * any(units.values())

    def floor(self, architecture: Architecture, bypass: bool) -> float:
        """The least that can be left: nothing of any block, or its cheapest unit where no block may go."""
        if bypass:
            return self.rest
        return self.rest + sum(min(self.units[b].values()) + self.blocks[b] for b in architecture)

    def times(self, factor: float) -> Price:
        """All prices times a factor."""
        units = {name: {k: factor * one for k, one in of.items()} for name, of in self.units.items()}
        return Price(factor * self.rest, {name: factor * one for name, one in self.blocks.items()}, units)

    def to_json(self) -> dict[str, Any]:
        """Plain values, of which `Price(**...)` is this again."""
        return dict(vars(self))


def architecture_of(host: nn.Module) -> Architecture:
    """The live units of a host's blocks."""
    return {name: block.units for name, block in search_blocks_of(host).items()}


def in_macs(host: nn.Module, size: tuple[int, int]) -> Price:
    """Prices in MACs of one (3, H, W) image, exact for every architecture of the host."""
    layers = layer_costs(host, size)
    units, there = unit_costs(host, layers), architecture_of(host)
    own = sum(units[name][k] * n for name, live in there.items() for k, n in live.items())
    return Price(dense_macs(layers) - own, dict.fromkeys(there, 0.0), {name: units[name] for name in there})


def proposed(
    now: Architecture, price: Price, bound: float, layers: int, bypass: bool, generator: torch.Generator
) -> Architecture | None:
    """A cheaper architecture: some blocks shrunk together, by random shares of what must go, to at most a bound.

    Args:
        now: what is shrunk.
        price: by which the bound is meant.
        bound: what it may cost.
        layers: blocks that are shrunk, fewer where fewer have units; 0 for all.
        bypass: whether a block may lose all units.
        generator: decides: blocks uniformly, shares by Dirichlet(1) over blocks, and over the kernel sizes of each.

    Returns:
        It, or None where the chosen blocks have too little to give.
    """
    able = [name for name, units in now.items() if sum(units.values()) > (0 if bypass else 1)]
    order = torch.randperm(len(able), generator=generator).tolist()
    chosen = [able[i] for i in order[: layers or len(able)]]
    found = {name: dict(units) for name, units in now.items()}
    must = max(price.of(now) - bound, 0.0)
    parts = _shares(len(chosen), generator)
    for name, part in zip(chosen, parts, strict=True):
        for (k, n), share in zip(now[name].items(), _shares(len(now[name]), generator), strict=True):
            found[name][k] = n - min(n, int(must * part * share / price.units[name][k]))
        _rescue(found[name], now[name], bypass)
    branches = [(name, k) for name in chosen for k in found[name]]
    cost = price.of(found)
    while cost > bound:
        left = [(b, k) for b, k in branches if found[b][k] and (bypass or sum(found[b].values()) > 1)]
        if not left:
            return None
        name, k = left[int(torch.randint(len(left), (), generator=generator))]
        before = price.block(name, found[name])
        found[name][k] -= 1
        cost += price.block(name, found[name]) - before
    return found


def _shares(count: int, generator: torch.Generator) -> list[float]:
    """Dirichlet(1): uniform over what adds up to one."""
    drawn = -torch.rand(count, generator=generator, dtype=torch.float64).clamp_min(1e-300).log()
    return [float(one) for one in drawn / drawn.sum()]


def _rescue(units: dict[int, int], before: Mapping[int, int], bypass: bool) -> None:
    """Where no block may go, leave a unit of the kernel size that had most."""
    if not bypass and not any(units.values()):
        units[max(before, key=lambda k: before[k])] = 1


@torch.no_grad()
def cut(network: Network, ema: Ema, optimizer: torch.optim.Optimizer, to: Architecture, multiple: int = 1) -> None:
    """Cut a network to the first units of each kernel size.

    Exact: what is cut emits 0 under ordered dropout, and not the constant that a dead gamma leaves, so scale and offset
    are zeroed first, in the network and in its average.

    Args:
        network: changed in place.
        ema: its average, sliced alike.
        optimizer: whose moments are.
        to: live units by block of the host; blocks that it does not name are left alone.
        multiple: leave so many units, or a multiple, in each kernel size that has any.
    """
    blocks = {f"host.{name}": block for name, block in search_blocks_of(network.host).items() if name in to}
    live = {name: _first(block, to[name.removeprefix("host.")]) for name, block in blocks.items()}
    live = in_multiples(network, ema, live, multiple)
    for name, keep in live.items():
        for tensor in (blocks[name].gamma_name, "depthwise_bn.bias"):
            network.get_parameter(f"{name}.{tensor}")[~keep] = 0
            ema.values[f"{name}.{tensor}"][~keep] = 0
    shrink(network, ema, optimizer, live)


def _first(block: SearchBlock, units: Mapping[int, int]) -> Tensor:
    return torch.cat([torch.arange(n) < units[k] for k, n in block.units.items()]).to(block.gamma.device)


def cut_copy(network: Network, to: Architecture) -> Network:
    """A copy of a network, cut."""
    twin = Network(copy.deepcopy(network.host), copy.deepcopy(network.head))
    cut(twin, Ema(twin, 0.0), torch.optim.SGD(twin.parameters(), lr=1.0), to)
    return twin
