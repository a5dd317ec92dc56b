"""What a network costs: parameters and multiply-accumulates of its convolutions and linear layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tickets.hosts.base import given_to


@dataclass(frozen=True)
class LayerCost:
    """One run of a convolution or linear layer: its weights and its MACs for one input image.

    Args:
        name: of the layer.
        weights: how many it has.
        macs: of the run.
        is_fixed: whether a weight that is trained was held fixed in this run, so that a gradient only goes through.
    """

    name: str
    weights: int
    macs: int
    is_fixed: bool = False


def layer_costs(network: nn.Module, size: tuple[int, int]) -> list[LayerCost]:
    """MACs of every convolution and linear layer for one (3, H, W) image, in order of execution.

    A layer that runs several times an image is there as often. The network is copied to the meta device, so nothing is
    computed and nothing changes. Biases, batch norms, activations and interpolation are not counted, as in the released
    profiler.

    Args:
        network: maps (B, 3, H, W), or a host's latents, to anything.
        size: (H, W) of the image.
    """
    twin = copy.deepcopy(network).to("meta").eval()
    trained = {name for name, parameter in twin.named_parameters() if parameter.requires_grad}
    costs: list[LayerCost] = []

    def count(name: str, layer: nn.Conv2d | nn.Linear, output: Tensor) -> None:
        positions = output.numel() // layer.weight.shape[0]
        is_fixed = f"{name}.weight" in trained and not layer.weight.requires_grad
        costs.append(LayerCost(name, layer.weight.numel(), positions * layer.weight.numel(), is_fixed))

    for name, layer in twin.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda m, _, out, name=name: count(name, m, out))
    with torch.no_grad():
        twin(torch.empty(1, *given_to(twin, size), device="meta"))
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
