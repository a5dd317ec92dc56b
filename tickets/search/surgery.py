"""Which hidden units live, and cutting out the dead ones exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tickets.search.costs import UnitCosts, per_unit
from tickets.search.searchable import Cut, Searchable, Tensors, search_blocks
from tickets.training.ema import Ema
from tickets.training.network import Network


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
    gamma = torch.cat([ema.values[f"{name}.{blocks[name].gamma_name}"].abs() for name in live])
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
            averaged = ema.values[f"{name}.{block.gamma_name}"].abs() > threshold
            found[name] = averaged if by_average else averaged | (block.gamma.detach().abs() > threshold)
    return found


def in_multiples(network: Network, ema: Ema, live: Mapping[str, Tensor], multiple: int) -> dict[str, Tensor]:
    """Let dead units live on, those of largest averaged |gamma|, until each branch has a multiple of units or all.

    Args:
        network: holds the blocks.
        ema: its average, whose gammas rank the units.
        live: boolean (hidden,) per block, from `live_units_mask`.
        multiple: at least 1.

    Returns:
        Boolean (hidden,) per block; of equal gammas the earlier unit lives on.
    """
    blocks, found = search_blocks(network), {}
    for name, keep in live.items():
        gamma = ema.values[f"{name}.{blocks[name].gamma_name}"].abs()
        sizes = list(blocks[name].units.values())
        parts = zip(keep.split(sizes), gamma.split(sizes), strict=True)
        found[name] = torch.cat([_filled_up(part, scale, multiple) for part, scale in parts])
    return found


def _filled_up(keep: Tensor, gamma: Tensor, multiple: int) -> Tensor:
    """Which units of a branch stay, so that their number is a multiple."""
    wanted = min(len(keep), math.ceil(int(keep.sum()) / multiple) * multiple)
    order = gamma.masked_fill(keep, torch.inf).argsort(descending=True, stable=True)
    return torch.zeros_like(keep).index_fill_(0, order[:wanted], True)


@torch.no_grad()
def shrink(network: Network, ema: Ema, optimizer: torch.optim.Optimizer, live: Mapping[str, Tensor]) -> int:
    """Cut the units that are not live out of the network, its average, its masks and the optimiser's moments.

    Exact: the network computes afterwards what it computes with the gammas of the cut units at zero, since each block
    first folds what such units emit into what stays, in the network and in its average alike.

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
        block = search_blocks(network)[name]
        cut += int((~keep).sum())
        views = _views(network, ema, name)
        for tensor in views:
            block.fold(tensor, ~keep)
        parts = keep.split(list(block.units.values()))
        units = {k: int(part.sum()) for k, part in zip(block.units, parts, strict=True)}
        if not any(units.values()):
            _bury(block, ema, optimizer, name, views)
        for own, change in block.cuts(keep).items():
            _slice(network, ema, optimizer, f"{name}.{own}", change)
        block.conform(units)
    ema.rebind()
    return cut


def _views(network: Network, ema: Ema, name: str) -> tuple[Tensors, Tensors]:
    """A block's tensors in the network and in its average, weights under their masks."""
    block = network.get_submodule(name)
    own = {**dict(block.named_parameters()), **dict(block.named_buffers())}

    def under_mask(tensor: str, value: Tensor) -> Tensor:
        mask = network.masks.get(f"{name}.{tensor}")
        return value if mask is None else value * mask

    return (lambda t: under_mask(t, own[t])), (lambda t: under_mask(t, ema.values[f"{name}.{t}"]))


def _bury(
    block: Searchable, ema: Ema, optimizer: torch.optim.Optimizer, name: str, views: tuple[Tensors, Tensors]
) -> None:
    """Replace a path without units by the constants that it emits, as parameters."""
    now, averaged = (block.constants(tensor) for tensor in views)
    for own, value in now.items():
        parameter = nn.Parameter(value.clone())
        block.register_parameter(own, parameter)
        ema.values[f"{name}.{own}"] = averaged[own]
        optimizer.param_groups[-1]["params"].append(parameter)
    parameters = dict(block.named_parameters())
    for own in block.last:
        ema.values.pop(f"{name}.{own}")
        if own in parameters:
            _forget(optimizer, parameters[own])


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
