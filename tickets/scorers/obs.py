"""Scorer: what removing a weight costs its layer's output, the others compensating (arXiv 2208.11580)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tickets.pruning.masks import ones
from tickets.pruning.second_order import damped, saliency
from tickets.scorers.base import DataScorer, below
from tickets.scorers.inputs import Layer, each_input, groups_of, layer_of
from tickets.source import Source
from tickets.training.network import Network

AT_ONCE = 4
"""Images whose patches are held at once."""


@dataclass(frozen=True)
class Surgeon(DataScorer):
    """w_j^2 / [(H_KK)^-1]_jj, eq. 3, with H = X X' of the layer's inputs and K the weights of an output that are there.

    It scores and moves nothing; the drawer `obc` moves what is kept, too. An output of d weights takes d^3 operations,
    once a layer as long as no weight is gone.
    """

    def scores(self, network: Network, source: Source, seed: int, sparsity: float) -> dict[str, Tensor]:
        """w_j^2 / [(H_KK)^-1]_jj.

        Raises:
            UserError: a layer is neither a two-dimensional convolution nor linear.
        """
        return saliencies(network, hessians(network, source, seed, self.batches))


def saliencies(network: Network, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The scores of all weights, those that are gone below the others.

    Args:
        network: not modified.
        found: of `hessians`.
    """
    there = ones(network.weights()) | network.masks
    values = {name: saliency(w, there[name], found[name]) for name, w in network.weights().items()}
    return below(values, network.masking.present(network))


def hessians(network: Network, source: Source, seed: int, batches: int) -> dict[str, Tensor]:
    """H = X X' of every prunable layer's inputs, damped; float64 (groups, d, d), for d weights of an output.

    Args:
        network: as a scorer gets it.
        source: whose calibration batches are run.
        seed: of whatever is random inside.
        batches: how many.

    Raises:
        UserError: a layer is neither a two-dimensional convolution nor linear.
    """
    found = {name: _none(layer_of(network, name)) for name in network.weights()}

    def add(name: str, layer: Layer, x: Tensor) -> None:
        for images in x.split(AT_ONCE):
            read = _patches(layer, images)
            found[name] += read.mT @ read

    each_input(network, source, seed, batches, add)
    return {name: damped(hessian) for name, hessian in found.items()}


def _none(layer: Layer) -> Tensor:
    """(groups, d, d) zeros."""
    d = layer.weight[0].numel()
    return layer.weight.new_zeros(groups_of(layer), d, d, dtype=torch.float64)


def _patches(layer: Layer, x: Tensor) -> Tensor:
    """What the weights of an output are multiplied with, at every position: (groups, positions, d)."""
    if isinstance(layer, nn.Linear):
        return x.reshape(1, -1, layer.in_features)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(x, layer._reversed_padding_repeated_twice, mode)
    read = F.unfold(padded, layer.kernel_size, layer.dilation, stride=layer.stride)
    return read.unflatten(1, (layer.groups, -1)).permute(1, 0, 3, 2).flatten(1, 2)
