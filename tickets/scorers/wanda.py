"""Scorer: weights by the size of what they are given (Wanda, arXiv 2306.11695)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tickets.scorers.base import DataScorer, below
from tickets.scorers.inputs import Layer, each_input, groups_of, layer_of
from tickets.source import Source
from tickets.training.network import Network


@dataclass(frozen=True)
class Wanda(DataScorer):
    """|w_ij| ||x_j||_2, with x_j the input feature j over all images, eq. 1.

    Of a convolution x_j is an input channel over images and positions, which is ours: the paper has linear layers. It
    compares the weights of one output, as the allocation "row" does; under another one layers of many positions
    rank higher.
    """

    def scores(self, network: Network, source: Source, seed: int, sparsity: float) -> dict[str, Tensor]:
        """|w_ij| ||x_j||_2.

        Raises:
            UserError: a layer is neither a two-dimensional convolution nor linear.
        """
        squares = {name: _none(layer_of(network, name)) for name in network.weights()}

        def add(name: str, layer: Layer, x: Tensor) -> None:
            features = x if isinstance(layer, torch.nn.Linear) else x.movedim(1, -1)
            squares[name] += features.flatten(0, -2).double().square().sum(0)

        each_input(network, source, seed, self.batches, add)
        values = {name: _weighed(w.detach(), squares[name].sqrt()) for name, w in network.weights().items()}
        return below(values, network.masking.present(network))


def _none(layer: Layer) -> Tensor:
    """A zero for each input feature of a layer, float64."""
    return layer.weight.new_zeros(layer.weight.shape[1] * groups_of(layer), dtype=torch.float64)


def _weighed(weight: Tensor, norms: Tensor) -> Tensor:
    """|w| times the norm of the input that each weight reads; a group of outputs reads its own part of the inputs."""
    by_group = norms.to(weight.dtype).view(-1, weight.shape[1])
    read = by_group.repeat_interleave(len(weight) // len(by_group), 0)
    return weight.abs() * read.view(*read.shape, *[1] * (weight.dim() - 2))
