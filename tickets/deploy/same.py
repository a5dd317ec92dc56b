"""Padding that depends on the sides of what is padded ("same", as TensorFlow pads), made constant where that is exact.

With free sides a tracer nests a rounding up for every such layer, and takes hours over what it nested. For sides that
are multiples of a network's whole stride each layer pads by the same numbers, whatever the sides.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from timm.layers.padding import pad_same_arg
from torch import Tensor, nn

from tickets.deploy.export import Face, random_inputs

STEP = 32
"""What sides stay multiples of: the whole stride of the networks that pad so."""
Pads = dict[str, list[int]]


def with_free_sides(module: nn.Module, size: tuple[int, int], face: Face) -> tuple[nn.Module, Face] | None:
    """What to trace, and as what to show it, where height and width shall stay free.

    Args:
        module: in eval mode. Not modified; what is given back shares its parameters.
        size: (H, W) of images that it takes.
        face: of a file with sides of this size.

    Returns:
        The module itself, or one with constant padding and a face that tells the step of its sides; None where its
        padding cannot be constant.
    """
    free = replace(face, free_sides=True)
    if not pads_by_side(module):
        return module, free
    constant = settled(module, random_inputs(module, 1, size))
    if constant is None:
        return None
    return constant, replace(free, step=STEP, metadata={**face.metadata, "sides": f"multiples of {STEP}"})


def pads_by_side(module: nn.Module) -> bool:
    """Whether a layer's padding depends on the sides of what it is given."""
    return any(_is_same(part) for part in module.modules())


def settled(module: nn.Module, images: Tensor) -> nn.Module | None:
    """The module with constant padding; equal to it for sides that are multiples of `STEP`. None where there is none.

    Args:
        module: in eval mode, images -> anything. Not modified, shares its parameters.
        images: (B, 3, H, W) such as it takes.
    """
    height, width = images.shape[-2:]
    if height % STEP or width % STEP:
        return None
    larger = images.new_zeros(*images.shape[:2], height + STEP, width + STEP)
    pads = _pads(module, images)
    if pads is None or pads != _pads(module, larger):
        return None
    made = copy.deepcopy(module, {id(one): one for one in (*module.parameters(), *module.buffers())})
    for name, pad in pads.items():
        layer = made.get_submodule(name)
        assert isinstance(layer, nn.Conv2d)
        made.set_submodule(name, _Constant(layer, pad).eval())
    return made


def _is_same(part: nn.Module) -> bool:
    """timm's names of such layers end so: Conv2dSame, AvgPool2dSame."""
    return type(part).__name__.endswith("2dSame")


def _pads(module: nn.Module, images: Tensor) -> Pads | None:
    """By how much each such layer pads: left, right, top, bottom; None where one is no plain convolution."""
    layers = {name: part for name, part in module.named_modules() if _is_same(part)}
    if any(type(part).__name__ != "Conv2dSame" for part in layers.values()):
        return None
    found: Pads = {}

    def noting(name: str) -> Any:
        def note(layer: Any, given: tuple[Tensor]) -> None:
            found[name] = pad_same_arg(list(given[0].shape[-2:]), layer.kernel_size, layer.stride, layer.dilation)

        return note

    hooks = [part.register_forward_pre_hook(noting(name)) for name, part in layers.items()]
    try:
        with torch.no_grad():
            module(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


class _Constant(nn.Module):
    """The convolution behind padding by these numbers."""

    def __init__(self, layer: nn.Conv2d, pad: list[int]) -> None:
        super().__init__()
        self.weight, self.bias, self.pad = layer.weight, layer.bias, pad
        self.stride, self.dilation, self.groups = layer.stride, layer.dilation, layer.groups

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, H', W')."""
        padded = nn.functional.pad(x, self.pad)
        return nn.functional.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
