"""What a network costs: parameters and multiply-accumulates of its convolutions and linear layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LayerCost:
    """One convolution or linear layer: its weights and its MACs for one input image."""

    name: str
    weights: int
    macs: int


def layer_costs(network: nn.Module, size: tuple[int, int]) -> list[LayerCost]:
    """MACs of every convolution and linear layer for one (3, H, W) image, in order of execution.

    The network is copied to the meta device, so nothing is computed and nothing changes. Biases, batch
    norms, activations and interpolation are not counted, as in the released profiler.

    Args:
        network: maps (B, 3, H, W) to anything.
        size: (H, W) of the input.
    """
    twin = copy.deepcopy(network).to("meta").eval()
    costs: list[LayerCost] = []

    def count(name: str, layer: nn.Conv2d | nn.Linear, output: Tensor) -> None:
        positions = output.numel() // layer.weight.shape[0]
        costs.append(LayerCost(name, layer.weight.numel(), positions * layer.weight.numel()))

    for name, layer in twin.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda m, _, out, name=name: count(name, m, out))
    with torch.no_grad():
        twin(torch.empty(1, 3, *size, device="meta"))
    return costs


def dense_macs(costs: Sequence[LayerCost]) -> int:
    """MACs of one image with every weight present."""
    return sum(layer.macs for layer in costs)


def sparse_macs(costs: Sequence[LayerCost], masks: Mapping[str, Tensor]) -> int:
    """MACs of one image that touch a kept weight, exact by layer.

    Args:
        costs: from `layer_costs`.
        masks: boolean masks by weight name ("layer.weight"); layers without one are dense.
    """
    total = 0
    for layer in costs:
        mask = masks.get(f"{layer.name}.weight")
        kept = layer.weights if mask is None else int(mask.sum())
        total += layer.macs // layer.weights * kept if layer.weights else 0
    return total


def synops(costs: Sequence[LayerCost], masks: Mapping[str, Tensor], rates: Mapping[str, float]) -> int:
    """Accumulates of one image, the synaptic operations of layers that are fed spikes: their MACs of kept weights, at
    all time steps, times the rate of their inputs.

    Args:
        costs: from `layer_costs`.
        masks: as for `sparse_macs`.
        rates: by layer; one that is not named, as the first convolution, is fed no spikes, and its MACs stay MACs.
    """
    return round(sum(sparse_macs([one], masks) * rates[one.name] for one in costs if one.name in rates))


def estimated_macs(costs: Sequence[LayerCost], masks: Mapping[str, Tensor]) -> int:
    """The released code's estimate: dense MACs x global density, which ignores where the weights are.

    It can be off by a factor of two, since depthwise kernels keep more weights and use each of them
    at many positions.
    """
    prunable = sum(mask.numel() for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    return round(dense_macs(costs) * kept / prunable) if prunable else dense_macs(costs)
