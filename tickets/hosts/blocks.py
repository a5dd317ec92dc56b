"""The search block: an inverted residual whose hidden units are searched over three kernel sizes.

SuperTickets (arXiv 2207.03677) builds on HR-NAS (arXiv 2106.06560): per kernel size k a branch
expand 1x1 - BN - ReLU - depthwise k x k - BN - ReLU - project 1x1; the branches are summed, then one BN,
then the skip is added. Here the branches share one expansion, one pair of hidden BNs and one projection,
which is the same mathematics in fewer passes; `tickets.reference` holds the separate form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tickets.hosts import limits
from tickets.hosts.fastconv import depthwise, pointwise
from tickets.hosts.native import block as native
from tickets.hosts.native import force
from tickets.hosts.triton import depthwise as by_triton
from tickets.search.searchable import Cut, Searchable, Tensors, Units

KERNELS = (3, 5, 7)


@dataclass(frozen=True)
class Norm:
    """Settings of every batch norm of a network."""

    momentum: float = 0.1
    eps: float = 1e-5

    def __post_init__(self) -> None:
        limits.above("momentum", self.momentum, most=1)
        limits.above("eps", self.eps, most=1)

    def __call__(self, width: int) -> nn.BatchNorm2d:
        """A batch norm over `width` channels."""
        return nn.BatchNorm2d(width, eps=self.eps, momentum=self.momentum)


def statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor]:
    """Running mean, running variance and the number of batches of a batch norm that keeps them, as all here do."""
    return cast(tuple[Tensor, Tensor, Tensor], (norm.running_mean, norm.running_var, norm.num_batches_tracked))


def _normalisers(norm: nn.BatchNorm2d, sizes: list[int]) -> list[Callable[[Tensor], Tensor]]:
    """A batch norm cut into consecutive channels; to be made anew for every pass in training, which it counts."""
    mean, var, counted = statistics(norm)
    if norm.training:
        counted.add_(1)
    parts = zip(*(tensor.split(sizes) for tensor in (mean, var, norm.weight, norm.bias)), strict=True)
    return [partial(_normalise, norm, *part) for part in parts]


def _normalise(norm: nn.BatchNorm2d, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    return F.batch_norm(x, mean, var, weight, bias, norm.training, cast(float, norm.momentum), norm.eps)


class SearchBlock(Searchable):
    """Inverted residual with searched hidden units; (B, in, H, W) -> (B, out, H/stride, W/stride).

    Hidden units are ordered by kernel size. A block that lost all units is its skip plus a constant
    per channel (`shift`), the value that the removed path had.

    Args:
        width_in: channels of the input.
        width_out: channels of the output; never searched.
        stride: 1 or 2, of the depthwise convolution and of the skip.
        units: live hidden units per kernel size; kernel sizes with 0 are left out.
        norm: settings of the batch norms.
    """

    expand: nn.Conv2d
    expand_bn: nn.BatchNorm2d
    depthwise_bn: nn.BatchNorm2d
    project: nn.Conv2d
    project_bn: nn.BatchNorm2d
    shift: nn.Parameter
    """Of a block without units, which has none of those above."""
    skip: nn.Module
    gate: Tensor | None = None
    """Float (B, hidden) of 0 and 1, by which each image's hidden units are multiplied for a pass; no state."""

    gamma_name = "depthwise_bn.weight"
    last = tuple(f"project_bn.{t}" for t in ("weight", "bias", "running_mean", "running_var"))

    def __init__(self, width_in: int, width_out: int, stride: int, units: Units, norm: Norm) -> None:
        super().__init__()
        self.width_in, self.width_out, self.stride = width_in, width_out, stride
        units = {k: n for k, n in sorted(units.items()) if n}
        if units:
            hidden = sum(units.values())
            self.expand = nn.Conv2d(width_in, hidden, 1, bias=False)
            self.expand_bn = norm(hidden)
            self.depthwise = nn.ModuleDict(
                {str(k): nn.Conv2d(n, n, k, stride, k // 2, groups=n, bias=False) for k, n in units.items()}
            )
            self.depthwise_bn = norm(hidden)
            self.project = nn.Conv2d(hidden, width_out, 1, bias=False)
            self.project_bn = norm(width_out)
        else:
            self.depthwise = nn.ModuleDict()
            self.shift = nn.Parameter(torch.zeros(width_out))
        self.skip = nn.Identity()
        if stride != 1 or width_in != width_out:
            groups = math.gcd(width_in, width_out)
            self.skip = nn.Conv2d(width_in, width_out, 1, stride, groups=groups, bias=False)
        self.reset_parameters()

    @property
    def units(self) -> dict[int, int]:
        """Live hidden units per kernel size; empty for a dead block."""
        return {int(k): conv.out_channels for k, conv in self.kernels.items()}

    @property
    def kernels(self) -> dict[str, nn.Conv2d]:
        """The depthwise convolutions by kernel size."""
        return cast(dict[str, nn.Conv2d], dict(self.depthwise.items()))

    def reset_parameters(self) -> None:
        """Initialise convolutions as MnasNet does: normal, variance 2 / fan-out.

        The fan-out of the fused expansion is that of one kernel branch, as in the separate form.
        """
        branches = max(len(self.depthwise), 1)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                depthwise = module.groups == module.in_channels
                fan_out: float = math.prod(module.kernel_size) * (1 if depthwise else module.out_channels)
                if name == "expand":
                    fan_out /= branches
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H/stride, W/stride)."""
        if not self.depthwise:
            return self._skipped(x) + self.shift[:, None, None]
        if (kernels := force.now()) and self.gate is None and native.serves(self, x):
            return native.run(self, x, kernels)
        by_kernel = self.training and x.device.type == "cpu"
        hidden = self._by_kernel(x) if by_kernel else self._at_once(x)
        emitted: Tensor = self.project_bn(hidden)
        return emitted + self._skipped(x)

    def _skipped(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.skip(x))

    def _at_once(self, x: Tensor) -> Tensor:
        """The sum of all branches before the last batch norm, each layer over all hidden units."""
        hidden = F.relu(self.expand_bn(self.expand(x)), inplace=True)
        convs = list(self.kernels.values())
        if force.has_triton() and self.training and by_triton.serves(hidden):
            hidden = by_triton.depthwise(hidden, [conv.weight for conv in convs], self.stride)
        elif len(convs) == 1:
            hidden = convs[0](hidden)
        else:
            parts = hidden.split([conv.in_channels for conv in convs], dim=1)
            hidden = torch.cat([conv(part) for conv, part in zip(convs, parts, strict=True)], dim=1)
        hidden = F.relu(self.depthwise_bn(hidden), inplace=True)
        projected: Tensor = self.project(hidden if self.gate is None else hidden * self.gate[:, :, None, None])
        return projected

    def _by_kernel(self, x: Tensor) -> Tensor:
        """The same, one kernel size after the other, which trains 1.1 to 1.7 times as fast on a CPU.

        Nothing is copied to be split and joined, and maps a third as large stay in caches and in memory that the
        allocator keeps. Runs without the modules' own forward passes, so their hooks are not called.
        """
        sizes = list(self.units.values())
        expand, project = self.expand.weight.split(sizes), self.project.weight.split(sizes, 1)
        inner, outer = _normalisers(self.expand_bn, sizes), _normalisers(self.depthwise_bn, sizes)
        gates = None if self.gate is None else self.gate.split(sizes, 1)
        total: Tensor | None = None
        for i, conv in enumerate(self.kernels.values()):
            hidden = F.relu(inner[i](pointwise(x, expand[i])), inplace=True)
            hidden = F.relu(outer[i](depthwise(hidden, conv.weight, self.stride)), inplace=True)
            part = pointwise(hidden if gates is None else hidden * gates[i][:, :, None, None], project[i])
            total = part if total is None else total + part
        return cast(Tensor, total)

    def unit_macs(self, macs: Mapping[str, int]) -> dict[int, float]:
        """A unit's share of expansion, depthwise and projection, by kernel size."""
        shared = (macs["expand"] + macs["project"]) / sum(self.units.values())
        return {k: shared + macs[f"depthwise.{k}"] / n for k, n in self.units.items()}

    def cuts(self, live: Tensor) -> dict[str, Cut]:
        """Rows of the expansion, columns of the projection, channels of what lies between."""
        keep = live.nonzero().flatten()
        found = {"expand.weight": Cut(0, keep), "project.weight": Cut(1, keep)}
        for norm in ("expand_bn", "depthwise_bn"):
            for tensor in ("weight", "bias", "running_mean", "running_var"):
                found[f"{norm}.{tensor}"] = Cut(0, keep)
        parts = live.split(list(self.units.values()))
        for k, part in zip(self.depthwise, parts, strict=True):
            found[f"depthwise.{k}.weight"] = Cut(0, part.nonzero().flatten())
        return found

    def fold(self, tensor: Tensors, dead: Tensor) -> None:
        """A unit emits relu(beta) everywhere; what its projection makes of that is taken off the last mean."""
        mean = tensor("project_bn.running_mean")
        mean -= tensor("project.weight")[:, dead, 0, 0] @ F.relu(tensor("depthwise_bn.bias")[dead])

    def constants(self, tensor: Tensors) -> dict[str, Tensor]:
        """What the last batch norm emits where nothing reaches it: `shift`, (width_out,)."""
        weight, bias, mean, var = (tensor(name) for name in self.last)
        return {"shift": bias - weight * mean / torch.sqrt(var + self.project_bn.eps)}

    def conform(self, units: Units) -> None:
        """Kernel branches without units go; a block without any keeps its skip and `shift`."""
        for k, n in units.items():
            if n:
                conv = self.kernels[str(k)]
                conv.in_channels = conv.out_channels = conv.groups = n
            else:
                del self.depthwise[str(k)]
        hidden = sum(units.values())
        if hidden:
            self.expand.out_channels = self.project.in_channels = hidden
            self.expand_bn.num_features = self.depthwise_bn.num_features = hidden
        else:
            del self.expand, self.expand_bn, self.depthwise_bn, self.project, self.project_bn
