"""The search: which hidden units matter, what they cost, and cutting out the dead ones exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tickets.blocks import Cut, SearchBlock
from tickets.cost import LayerCost, layer_costs
from tickets.ema import Ema
from tickets.network import Network
from tickets.supernet import search_blocks

if TYPE_CHECKING:
    from tickets.training import Training

UnitCosts = dict[str, dict[int, float]]
"""A number per block and kernel size; every unit of one kernel branch of a block costs the same."""


def unit_costs(network: nn.Module, layers: Iterable[LayerCost]) -> UnitCosts:
    """MACs that one hidden unit takes part in: its share of expansion, depthwise and projection.

    Args:
        network: any module that holds search blocks; blocks without units are left out.
        layers: its layers' costs, from `layer_costs`.
    """
    macs = {layer.name: layer.macs for layer in layers}
    found: UnitCosts = {}
    for name, block in search_blocks(network).items():
        if not block.units:
            continue
        hidden = sum(block.units.values())
        found[name] = {
            k: (macs[f"{name}.expand"] + macs[f"{name}.project"]) / hidden + macs[f"{name}.depthwise.{k}"] / n
            for k, n in block.units.items()
        }
    return found


def penalties(network: nn.Module, costs: UnitCosts) -> UnitCosts:
    """Unit costs over their mean, so that the mean over all units of the full network is 1.

    SuperTickets, the normaliser of the MACs-aware L1 penalty; computed once, on the full network.
    """
    units = [(costs[name][k], n) for name, b in search_blocks(network).items() for k, n in b.units.items()]
    mean = sum(cost * n for cost, n in units) / (sum(n for _, n in units) + 1e-5)
    return {name: {k: cost / mean for k, cost in kernels.items()} for name, kernels in costs.items()}


def per_unit(block: SearchBlock, values: Mapping[int, float]) -> Tensor:
    """A value per kernel size spread over a block's units; float32 (hidden,) on the block's device."""
    parts = [block.gamma.new_full((n,), values[k]) for k, n in block.units.items()]
    return torch.cat(parts)


def l1_penalty(network: nn.Module, factors: UnitCosts) -> Tensor:
    """Sum over units of penalty factor x |gamma|; differentiable, scalar."""
    terms = [
        (per_unit(block, factors[name]) * block.gamma.abs()).sum()
        for name, block in search_blocks(network).items()
        if block.units
    ]
    return torch.stack(terms).sum() if terms else next(network.parameters()).new_zeros(())


def gamma_penalty(
    full: Network, size: tuple[int, int], weight: Callable[[Training], float]
) -> Callable[[Training], Tensor]:
    """The MACs-aware penalty as an extra loss: weight(training) x `l1_penalty`.

    Args:
        full: the network on which the unit costs and their mean are taken, once.
        size: (H, W) of the input.
        weight: rho as a function of the training.
    """
    factors = penalties(full, unit_costs(full, layer_costs(full, size)))
    return lambda training: weight(training) * l1_penalty(training.network, factors)


def total_unit_macs(network: nn.Module, layers: Iterable[LayerCost], live: Mapping[str, Tensor] | None = None) -> float:
    """MACs of all units, or of the live ones, for one image."""
    blocks = search_blocks(network)
    total = 0.0
    for name, kernels in unit_costs(network, layers).items():
        cost = per_unit(blocks[name], kernels)
        total += float((cost if live is None else cost[live[name]]).sum())
    return total


def within_macs(
    network: Network, ema: Ema, live: Mapping[str, Tensor], costs: UnitCosts, bound: float
) -> dict[str, Tensor]:
    """Let the units of smallest averaged |gamma| die until the live ones' MACs are at most `bound`.

    Args:
        network: holds the blocks.
        ema: its average, whose gammas rank the units.
        live: boolean (hidden,) per block, from `live_units_mask`.
        costs: MACs of one unit, from `unit_costs`.
        bound: MACs for one image.

    Returns:
        Boolean (hidden,) per block; of equal gammas the earlier unit stays.
    """
    blocks, alive = search_blocks(network), torch.cat(list(live.values()))
    gamma = torch.cat([ema.values[f"{name}.depthwise_bn.weight"].abs() for name in live])
    cost = torch.cat([per_unit(blocks[name], costs[name]) for name in live]) * alive
    order = gamma.argsort(descending=True, stable=True)
    fits = torch.empty_like(alive)
    fits[order] = cost[order].double().cumsum(0) <= bound
    parts = (alive & fits).split([len(keep) for keep in live.values()])
    return dict(zip(live, parts, strict=True))


def live_units_mask(network: Network, ema: Ema, threshold: float, by_average: bool) -> dict[str, Tensor]:
    """Which units stay: |gamma| above the threshold, raw or averaged (or the average alone).

    Returns:
        Boolean (hidden,) per block that has units.
    """
    found = {}
    for name, block in search_blocks(network).items():
        if block.units:
            averaged = ema.values[f"{name}.depthwise_bn.weight"].abs() > threshold
            found[name] = averaged if by_average else averaged | (block.gamma.detach().abs() > threshold)
    return found


@torch.no_grad()
def shrink(network: Network, ema: Ema, optimizer: torch.optim.Optimizer, live: Mapping[str, Tensor]) -> int:
    """Cut the units that are not live out of the network, its average, its masks and the optimiser's moments.

    Exact: the network computes afterwards what it computes with the gammas of the cut units at zero. Such
    a unit emits the constant relu(beta) everywhere; what its projection makes of that constant is
    taken off the running mean of the projection's BN, in the network and in its average alike.

    Args:
        network: changed in place; parameters keep their identity.
        ema: its average, sliced alike.
        optimizer: moments are sliced; parameters that vanish are forgotten.
        live: boolean (hidden,) per block, from `live_units_mask`.

    Returns:
        How many units were cut.
    """
    cut = 0
    for name, keep in live.items():
        if bool(keep.all()):
            continue
        block = network.get_submodule(name)
        assert isinstance(block, SearchBlock)
        cut += int((~keep).sum())
        _fold(network, ema, name, ~keep)
        parts = keep.split(list(block.units.values()))
        units = {k: int(part.sum()) for k, part in zip(block.units, parts, strict=True)}
        if not any(units.values()):
            _bury(network, ema, optimizer, name)
        for tensor, change in block.cuts(keep).items():
            _slice(network, ema, optimizer, f"{name}.{tensor}", change)
        block.conform(units)
    return cut


def _fold(network: Network, ema: Ema, name: str, dead: Tensor) -> None:
    """Take the constant that dead units still emit off the running mean of the projection's BN."""
    block = network.get_submodule(name)
    mask = network.masks.get(f"{name}.project.weight")
    states = [
        (block.project.weight, block.depthwise_bn.bias, block.project_bn.running_mean),
        tuple(ema.values[f"{name}.{t}"] for t in ("project.weight", "depthwise_bn.bias", "project_bn.running_mean")),
    ]
    for weight, beta, mean in states:
        effective = weight if mask is None else weight * mask
        mean -= effective[:, dead, 0, 0] @ F.relu(beta[dead])


def _bury(network: Network, ema: Ema, optimizer: torch.optim.Optimizer, name: str) -> None:
    """Replace a path without units by the constant that its last BN emits, as a parameter `shift`."""
    block = network.get_submodule(name)
    norm, prefix = block.project_bn, f"{name}.project_bn"

    def constant(weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return bias - weight * mean / torch.sqrt(var + norm.eps)

    block.shift = nn.Parameter(constant(norm.weight, norm.bias, norm.running_mean, norm.running_var).clone())
    values = [ema.values.pop(f"{prefix}.{t}") for t in ("weight", "bias", "running_mean", "running_var")]
    ema.values[f"{name}.shift"] = constant(*values)
    for parameter in (norm.weight, norm.bias):
        _forget(optimizer, parameter)
    optimizer.param_groups[-1]["params"].append(block.shift)


def _slice(network: Network, ema: Ema, optimizer: torch.optim.Optimizer, name: str, change: Cut) -> None:
    """Slice one parameter or buffer and everything that shadows it; forget it where nothing stays."""

    def sliced(t: Tensor) -> Tensor:
        t = t.index_select(change.dim, change.index.to(t.device))
        return t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t

    if len(change.index) == 0:
        ema.values.pop(name)
        network.masks.pop(name, None)
        if (gone := dict(network.named_parameters()).get(name)) is not None:
            _forget(optimizer, gone)
        return
    ema.values[name] = sliced(ema.values[name])
    if name in network.masks:
        network.masks[name] = sliced(network.masks[name])
    owner, _, leaf = name.rpartition(".")
    module = network.get_submodule(owner)
    tensor = getattr(module, leaf)
    if not isinstance(tensor, nn.Parameter):
        setattr(module, leaf, sliced(tensor))
        return
    for key, moment in optimizer.state.get(tensor, {}).items():
        if isinstance(moment, Tensor) and moment.shape == tensor.shape:
            optimizer.state[tensor][key] = sliced(moment)
    tensor.data, tensor.grad = sliced(tensor.data), None


def _forget(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> None:
    """Take a parameter out of the optimiser."""
    optimizer.state.pop(parameter, None)
    for group in optimizer.param_groups:
        group["params"] = [p for p in group["params"] if p is not parameter]
