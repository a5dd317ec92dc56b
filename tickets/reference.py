"""The plain formulation of the supernet, kept as an oracle for tests and as a yardstick for speed.

One convolution, BN and projection per kernel branch, and m*w written out in every layer's forward pass,
as the released code has it.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tickets.hosts.blocks import SearchBlock
from tickets.pruning.masks import Masks
from tickets.training.network import Network


class MaskedConv2d(nn.Conv2d):
    """A convolution whose forward pass multiplies its weight by a boolean buffer `mask`."""

    mask: Tensor

    @classmethod
    def of(cls, weight: Tensor, mask: Tensor | None, conv: nn.Conv2d) -> MaskedConv2d:
        """A convolution with this weight and `conv`'s stride and padding; groups follow from the shapes."""
        depthwise = conv.groups == conv.in_channels == conv.out_channels
        groups = len(weight) if depthwise else conv.groups
        width_in = weight.shape[1] * groups
        size, stride, padding = (cast(tuple[int, int], pair) for pair in (weight.shape[-2:], conv.stride, conv.padding))
        own = cls(width_in, len(weight), size, stride, padding, groups=groups, bias=conv.bias is not None)
        own.register_buffer("mask", torch.ones_like(weight, dtype=torch.bool) if mask is None else mask.clone())
        with torch.no_grad():
            own.weight.copy_(weight)
            if conv.bias is not None and own.bias is not None:
                own.bias.copy_(conv.bias)
        return own

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with m*w."""
        convolved: Tensor = self._conv_forward(x, self.weight * self.mask, self.bias)
        return convolved


class PlainBranch(nn.Module):
    """One kernel branch: expand, BN, ReLU, depthwise, BN, ReLU, project."""

    def __init__(self, block: SearchBlock, masks: Masks, kernel: int, units: slice) -> None:
        super().__init__()

        def piece(name: str, index: tuple[slice, ...]) -> MaskedConv2d:
            conv, mask = cast(nn.Conv2d, block.get_submodule(name)), masks.get(f"{name}.weight")
            return MaskedConv2d.of(conv.weight[index], None if mask is None else mask[index], conv)

        self.expand = piece("expand", (units,))
        self.expand_bn = _norm_slice(block.expand_bn, units)
        self.depthwise = piece(f"depthwise.{kernel}", (slice(None),))
        self.depthwise_bn = _norm_slice(block.depthwise_bn, units)
        self.project = piece("project", (slice(None), units))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H/stride, W/stride), before the block's common BN."""
        x = F.relu(self.expand_bn(self.expand(x)))
        projected: Tensor = self.project(F.relu(self.depthwise_bn(self.depthwise(x))))
        return projected


class PlainBlock(nn.Module):
    """The search block as separate branches whose outputs are summed."""

    def __init__(self, block: SearchBlock, masks: Masks) -> None:
        super().__init__()
        edges = torch.tensor([0, *block.units.values()]).cumsum(0).tolist()
        spans = zip(block.units, edges, edges[1:], strict=False)
        self.branches = nn.ModuleList(PlainBranch(block, masks, k, slice(a, b)) for k, a, b in spans)
        self.project_bn = copy.deepcopy(block.project_bn) if block.units else None
        self.shift = None if block.units else nn.Parameter(block.shift.detach().clone())
        self.skip = copy.deepcopy(block.skip)
        if isinstance(block.skip, nn.Conv2d):
            self.skip = MaskedConv2d.of(block.skip.weight, masks.get("skip.weight"), block.skip)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H/stride, W/stride)."""
        emitted: Tensor
        if self.project_bn is not None:
            emitted = self.project_bn(sum(branch(x) for branch in self.branches))
            return emitted + cast(Tensor, self.skip(x))
        emitted = self.skip(x)
        return emitted + cast(Tensor, self.shift)[:, None, None]


def plain(network: Network) -> Network:
    """A copy of a network in the plain formulation; same function, own parameters.

    The copy carries its masks in its layers, so its own `masks` are empty.
    """
    twin = Network(copy.deepcopy(network.host), copy.deepcopy(network.head))
    modules = dict(twin.named_modules())
    for name, module in modules.items():
        inside = any(
            isinstance(modules.get(name.rsplit(".", n)[0]), SearchBlock) for n in range(1, name.count(".") + 1)
        )
        if inside or not isinstance(module, SearchBlock | nn.Conv2d):
            continue
        masks = {n.removeprefix(f"{name}."): m for n, m in network.masks.items() if n.startswith(f"{name}.")}
        if isinstance(module, SearchBlock):
            replacement: nn.Module = PlainBlock(module, masks)
        else:
            replacement = MaskedConv2d.of(module.weight, masks.get("weight"), module)
        owner, _, leaf = name.rpartition(".")
        setattr(twin.get_submodule(owner), leaf, replacement)
    return twin


def _norm_slice(norm: nn.BatchNorm2d, units: slice) -> nn.BatchNorm2d:
    own = nn.BatchNorm2d(norm.weight[units].numel(), eps=norm.eps, momentum=norm.momentum)
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(own, name).data.copy_(getattr(norm, name)[units])
    return own
