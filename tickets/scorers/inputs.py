"""What each layer of a network is given, for scorers that look at activations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tickets.errors import UserError
from tickets.seeding import seeded
from tickets.source import Source
from tickets.training.network import Network

Layer = nn.Conv2d | nn.Linear


def layer_of(network: Network, weight: str) -> Layer:
    """The layer of a prunable weight.

    Raises:
        UserError: it is neither a two-dimensional convolution nor linear.
    """
    layer = network.get_submodule(weight.removesuffix(".weight"))
    if not isinstance(layer, Layer):
        raise UserError(
            f"inputs of '{weight}' are not known, which is of a {type(layer).__name__}; choose a scorer without "
            "activations, as magnitude, or a host of Conv2d and Linear layers."
        )
    return layer


def each_input(
    network: Network, source: Source, seed: int, batches: int, told: Callable[[str, Layer, Tensor], None]
) -> None:
    """Tell of the input of every prunable layer, call by call.

    What runs is a copy, m*w in eval mode, layer by layer: native kernels leave a block alone that has hooks inside.

    Args:
        network: not modified.
        source: whose calibration batches are run; counted where they are (`tickets.training.spent`).
        seed: of whatever is random inside.
        batches: how many.
        told: the weight's name, its layer and the input, (B, channels, H, W) or (..., features).

    Raises:
        UserError: as `layer_of`.
    """
    twin = network.effective()
    for name in twin.weights():
        layer_of(twin, name).register_forward_pre_hook(partial(_seen, told, name))
    with seeded(seed, "scores"), torch.no_grad():
        for batch in source.calibration(batches):
            twin(batch["image"])


def _seen(told: Callable[[str, Layer, Tensor], None], name: str, layer: Layer, inputs: tuple[Any, ...]) -> None:
    """The hook."""
    told(name, layer, inputs[0])


def groups_of(layer: Layer) -> int:
    """Into how many parts that share nothing a layer's inputs and outputs fall; one for each channel if depthwise."""
    return layer.groups if isinstance(layer, nn.Conv2d) else 1
