"""What can be known of a network's channels without an image: which are constant, and which go together.

A channel is *live* if its values can depend on the image or on the place in it; any other has one value everywhere.
The constants are found from the image on: a convolution's output whose kernel is zero is its bias, functions of single
values and sums make constants of constants, pooling and upsampling hand them on. Zero padding is where this ends: a
constant other than zero has a border after a padded convolution.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from tickets.deploy.folding import affine
from tickets.deploy.tracing import attribute, bias_of, layers

POINTWISE_LAYERS = (
    nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Mish, nn.Hardswish, nn.Hardsigmoid,
    nn.Sigmoid, nn.Tanh, nn.Softplus,
)  # fmt: skip
PRODUCTS = {operator.mul, torch.mul, "mul", "mul_"}
POINTWISE = PRODUCTS | {
    operator.add, operator.sub, operator.neg, torch.add, torch.sub, torch.relu, torch.sigmoid, torch.tanh, torch.clamp,
    F.relu, F.relu6, F.hardtanh, F.leaky_relu, F.elu, F.silu, F.gelu, F.mish, F.hardswish, F.hardsigmoid, F.softplus,
    F.sigmoid, F.tanh, "add", "add_", "sub", "sub_", "relu", "relu_", "sigmoid", "sigmoid_", "tanh", "tanh_", "clamp",
}  # fmt: skip
"""Functions and methods of single values of one place and channel."""
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample)
"""Layers that make a channel's values of that channel's alone; most of them leave constants as they are."""


@dataclass(frozen=True)
class Channels:
    """The channels of a map (B, C, H, W).

    Args:
        numbers: int64, (C,): of each channel. Channels of several maps have one number where they must be kept or cut
            together because a layer takes each to its own place.
        live: boolean, (C,).
        value: float, (C,): of those that are not live, and zero for the others.
    """

    numbers: Tensor
    live: Tensor
    value: Tensor

    @property
    def is_constant(self) -> bool:
        """Whether none is live."""
        return not bool(self.live.any())

    def valued(self, value: Tensor) -> Channels:
        """The same channels with the constants `value`, (C,)."""
        return replace(self, value=value.masked_fill(self.live, 0))


class Survey:
    """The channels of all maps of a traced network that rules are known for.

    Args:
        module: from `traced`, in double and on the CPU.

    Attributes:
        maps: channels by the node that makes them. Of a node that is not there nothing is known: what it reads must
            stay whole.
        layers: of the network, by node.
        ties: pairs of numbers, (C,) each, that must be kept together, place by place.
        joins: nodes that make one map of several, value by value.
        count: of numbers.
    """

    def __init__(self, module: fx.GraphModule) -> None:
        self.module, self.layers, self.count = module, layers(module), 0
        self.maps: dict[fx.Node, Channels] = {}
        self.ties: list[tuple[Tensor, Tensor]] = []
        self.joins: list[fx.Node] = []
        for node in module.graph.nodes:
            found = self._found(node)
            if found is not None:
                self.maps[node] = found

    def conv(self, node: fx.Node) -> nn.Conv2d | None:
        """The convolution that a node calls, if there is a rule for it."""
        layer = self.layers.get(node)
        return layer if type(layer) is nn.Conv2d and node in self.maps else None

    def read(self, node: fx.Node) -> Channels | None:
        """What is known of a node's first input."""
        first = node.args[0] if node.args else None
        return self.maps.get(first) if isinstance(first, fx.Node) else None

    def _found(self, node: fx.Node) -> Channels | None:
        layer = self.layers.get(node)
        if type(layer) is nn.Conv2d:
            return self._convolved(layer, self.read(node))
        if node.op == "get_attr":
            return self._stored(attribute(self.module, node))
        inputs = [self.maps[one] for one in node.all_input_nodes if one in self.maps]
        if not inputs or len(inputs) < len(node.all_input_nodes):
            return None
        if type(layer) is nn.BatchNorm2d and layer.running_var is not None:
            scale, shift = affine(layer)
            return inputs[0].valued(scale * inputs[0].value + shift)
        if type(layer) in POINTWISE_LAYERS or (called(node) in POINTWISE):
            return self._pointwise(node, layer, inputs)
        if _is_concatenation(node):
            parts = [self.maps[one] for one in node.args[0]]  # type: ignore[union-attr,index]
            return Channels(*(torch.cat([getattr(p, name) for p in parts]) for name in ("numbers", "live", "value")))
        return inputs[0] if _is_pool(node, layer) else None

    def _new(self, live: Tensor, value: Tensor) -> Channels:
        """Channels with numbers of their own."""
        start, self.count = self.count, self.count + len(live)
        return Channels(torch.arange(start, self.count), live, value.masked_fill(live, 0))

    def _stored(self, found: object) -> Channels | None:
        """A value a channel, as a network may store it."""
        if not isinstance(found, Tensor) or found.dim() not in (3, 4) or found.numel() != found.shape[-3]:
            return None
        return self._new(torch.zeros(found.numel(), dtype=torch.bool), found.flatten())

    def _convolved(self, conv: nn.Conv2d, before: Channels | None) -> Channels | None:
        padded = is_padded(conv)
        if conv.padding_mode != "zeros" and padded:
            return None
        weight, bias = conv.weight, bias_of(conv)
        if conv.groups == 1:
            reads = weight.flatten(2).any(2)
            if before is None:
                return self._new(reads.any(1), bias)
            live = (reads & (before.live | (padded & (before.value != 0)))).any(1)
            return self._new(live, bias + weight.sum((2, 3)) @ before.value)
        if before is None or not conv.groups == conv.in_channels == conv.out_channels:
            return None
        live = weight.flatten(1).any(1) & (before.live | (padded & (before.value != 0)))
        return replace(before, live=live).valued(bias + weight.sum((1, 2, 3)) * before.value)

    def _pointwise(self, node: fx.Node, layer: nn.Module | None, inputs: Sequence[Channels]) -> Channels | None:
        """Computed on the constants themselves, of which copies are written over where the network writes in place."""
        first, *others = inputs
        if any(len(other.numbers) != len(first.numbers) for other in others):
            return None
        live = torch.stack([one.live for one in inputs]).any(0)
        if called(node) in PRODUCTS:
            live &= ~torch.stack([~one.live & (one.value == 0) for one in inputs]).any(0)
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda one: self.maps[one].value.clone())
        if layer is not None:
            value = layer(*args, **kwargs)
        elif node.op == "call_method":
            value = getattr(args[0], str(node.target))(*args[1:], **kwargs)
        else:
            value = node.target(*args, **kwargs)  # type: ignore[operator]
        self.ties += [(first.numbers, other.numbers) for other in others]
        self.joins += [node] * bool(others)
        return replace(first, live=live).valued(value)


def called(node: fx.Node) -> object:
    """The function that a node calls, or the name of the method; None for any other."""
    return node.target if node.op in ("call_function", "call_method") else None


def is_padded(conv: nn.Conv2d) -> bool:
    """Whether a convolution may read beside its input."""
    if isinstance(conv.padding, str):
        return conv.padding == "same" and max(conv.kernel_size) > 1
    return any(conv.padding)


def _is_concatenation(node: fx.Node) -> bool:
    """Whether a node puts the channels of maps one after the other."""
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    return called(node) in (torch.cat, torch.concat) and bool(dim == 1) and isinstance(node.args[0], list | tuple)


def _is_pool(node: fx.Node, layer: nn.Module | None) -> bool:
    """Whether a node pools or upsamples, and hands constants on as they are, at the borders too."""
    if type(layer) is nn.AvgPool2d:
        inside = layer.padding in (0, (0, 0)) or not layer.count_include_pad
        return inside and layer.divisor_override is None
    if type(layer) is nn.MaxPool2d:
        return layer.dilation in (1, (1, 1)) and not layer.return_indices
    if called(node) in ("mean", torch.mean):
        dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        return bool(node.kwargs.get("keepdim")) and tuple(dims or ()) in ((2, 3), (-2, -1))  # type: ignore[arg-type]
    return type(layer) in POOLS
