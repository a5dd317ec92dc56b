"""Spiking networks as hosts, and their twins with ReLUs: convolutions whose neurons are told the image step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tickets.errors import UserError
from tickets.hosts import limits
from tickets.hosts.base import Features, HostSpec
from tickets.hosts.lif import lif
from tickets.search.searchable import Units
from tickets.traits import Traits


@dataclass(frozen=True)
class SpikingSpec(HostSpec):
    """A spiking network before any drawing, after Y. Kim et al., arXiv 2207.01382, and the code released for it.

    Direct coding: the first convolution and its batch norm are computed once an image, and what they give is the
    current of the first neurons at every time step; all behind them is computed at each step. A head is given the
    neurons' rates, the mean over time of the spikes at the end of each stage (rate-decoded maps, which for a linear
    head come to the paper's mean of logits; its loss is the mean of each step's, ours that of the mean).

    A twin has ReLUs in place of the neurons, computes everything once, and has tensors of the same names and shapes.

    Args:
        stem: channels of the first 3x3 convolution.
        stem_stride: its stride.
        stages: widths of the 3x3 convolutions of each stage, or of its blocks of two around a shortcut.
        strides: of each stage, 1 or 2.
        down: what halves the size: the first "convolution" of a stage, or a "pool" before it, the largest of 2x2.
        residual: whether stages are of blocks with a shortcut.
        maps: how many stages give a map, the last ones.
        timesteps: T, at least 1; a twin has no use for it, and neither for the four after `neuron`.
        neuron: "lif", leaky integrate-and-fire, or "relu".
        tau, threshold, sharpness: of the neurons, as `tickets.hosts.lif` has them; as released.
        bn: whether batch norms see all steps as one batch ("joint"), or in training each by itself ("step"), as
            released.
    """

    kind: ClassVar[str] = "spiking"
    stem: int
    stem_stride: int
    stages: tuple[tuple[int, ...], ...]
    strides: tuple[int, ...]
    down: Literal["convolution", "pool"] = "convolution"
    residual: bool = False
    maps: int = 3
    timesteps: int = 5
    neuron: Literal["lif", "relu"] = "lif"
    tau: float = 4 / 3
    threshold: float = 1.0
    sharpness: float = 2.0
    bn: Literal["joint", "step"] = "joint"

    def __post_init__(self) -> None:
        for name in ("stem", "stem_stride", "maps", "timesteps"):
            if (value := getattr(self, name)) < 1:
                raise UserError(f"{name} is {value}; give a whole number of at least 1")
        limits.whole("a width", [self.stem, *(width for stage in self.stages for width in stage)])
        limits.whole("the number of layers", [sum(map(len, self.stages))], most=limits.LONGEST)
        limits.whole("timesteps", [self.timesteps], most=limits.LONGEST)
        limits.whole("a stride", [self.stem_stride, *self.strides], most=8)
        if self.tau < 1:
            raise UserError(f"tau is {self.tau}; a membrane that forgets more than all of it is none, give at least 1")
        for name in ("threshold", "sharpness"):
            if (value := getattr(self, name)) <= 0:
                raise UserError(f"{name} is {value}; give a number above 0")
        if len(self.strides) != len(self.stages) or self.maps > len(self.stages):
            raise UserError(
                f"{len(self.stages)} stages have {len(self.strides)} strides and {self.maps} maps; give each a stride, "
                "and no more maps than stages"
            )

    @property
    def traits(self) -> Traits:  # type: ignore[override]  # a fact of the preset, not of the class
        """Whether there are time steps, which a twin has not."""
        return Traits(has_timesteps=self.neuron == "lif")

    def build(self, units: Mapping[str, Units] | None = None) -> SpikingHost:
        """The network with fresh weights; `units` must be empty, it has none."""
        if units:
            raise ValueError(f"a spiking host has no units to search, got {len(units)} blocks")
        return SpikingHost(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The spec written by `to_json`."""
        stages = tuple(tuple(widths) for widths in data["stages"])
        return cls(**{**data, "stages": stages, "strides": tuple(data["strides"])})


TINY = SpikingSpec(16, 2, ((32,), (48,), (64,)), (2, 2, 2), timesteps=4)
"""For CPUs."""
VGG16 = SpikingSpec(64, 1, ((64,), (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3), (1, 2, 2, 2, 2), down="pool")
"""Its 13 convolutions; the last pooling and the classifier are the head's."""
RESNET19 = SpikingSpec(64, 1, ((128,) * 3, (256,) * 3, (512,) * 2), (2, 2, 2), residual=True)
"""Its 8 blocks; both linear layers are the head's."""


class SpikingHost(nn.Module):
    """A spiking network, or its twin; (B, 3, H, W) -> a map of rates, or of activations, a stage.

    Args:
        spec: before any drawing.

    Attributes:
        timesteps: T of now, which a drawing may lower; twins do not have it.
        bn: as the spec's, of now.
    """

    timesteps: int

    def __init__(self, spec: SpikingSpec) -> None:
        super().__init__()
        self.spec, self.bn = spec, spec.bn
        if spec.neuron == "lif":
            self.timesteps = spec.timesteps
        self.stem = Layer(3, spec.stem, 3, spec.stem_stride)
        self.stages = nn.ModuleList()
        width, made = spec.stem, Block if spec.residual else Plain
        for widths, stride in zip(spec.stages, spec.strides, strict=True):
            first = stride if spec.down == "convolution" else 1
            stage = nn.ModuleList()
            for number, wide in enumerate(widths):
                stage.append(made(width, wide, 1 if number else first))
                width = wide
            self.stages.append(stage)

    @property
    def features(self) -> Features:
        """(width, stride) of each map."""
        stride, found = self.spec.stem_stride, []
        for widths, step in zip(self.spec.stages, self.spec.strides, strict=True):
            stride *= step
            found.append((widths[-1], stride))
        return found[-self.spec.maps :]

    @property
    def spiked(self) -> list[str]:
        """The names of the layers that are fed spikes, which need to accumulate only; none of a twin."""
        layers = [name for name, module in self.named_modules() if isinstance(module, nn.Conv2d)]
        return [name for name in layers if name != "stem.conv"] if self.spec.neuron == "lif" else []

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) to maps (B, width, H / stride, W / stride), finest first."""
        current = self.stem(image)
        if self.spec.neuron == "lif":
            current = torch.cat([current] * self.timesteps)  # which keeps the memory format, as expand() does not
        x, maps = self.fire(current), []
        for stage, stride in zip(self.stages, self.spec.strides, strict=True):
            if self.spec.down == "pool" and stride > 1:
                x = F.max_pool2d(x, stride, ceil_mode=True)
            for block in cast(nn.ModuleList, stage):
                x = block(x, self)
            maps.append(x)
        return [self.rate(one) for one in maps[-self.spec.maps :]]

    def fire(self, current: Tensor) -> Tensor:
        """The neurons' answer to a current, (T B, ...) step by step, or the twin's."""
        spec = self.spec
        if spec.neuron == "relu":
            return F.relu(current)
        spikes = lif(current.unflatten(0, (self.timesteps, -1)), spec.tau, spec.threshold, spec.sharpness)
        return spikes.flatten(0, 1)

    def rate(self, spikes: Tensor) -> Tensor:
        """The mean over time, (B, ...); of a twin what it is given."""
        return spikes if self.spec.neuron == "relu" else spikes.unflatten(0, (self.timesteps, -1)).mean(0)

    @property
    def parts(self) -> int:
        """Batches that a batch norm behind the first neurons sees its input as."""
        is_apart = self.spec.neuron == "lif" and self.bn == "step" and self.training
        return self.timesteps if is_apart else 1


class Layer(nn.Module):
    """A convolution and its batch norm.

    Args:
        width_in, width_out: channels.
        kernel: size, odd.
        stride: of the convolution.
    """

    def __init__(self, width_in: int, width_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width_out, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(width_out)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor, parts: int = 1) -> Tensor:
        """The current, normalised in so many parts of the batch, one after the other."""
        found: Tensor = self.conv(x)
        each: list[Tensor] = [self.norm(part) for part in (found.chunk(parts) if parts > 1 else (found,))]
        return torch.cat(each) if parts > 1 else each[0]


class Plain(nn.Module):
    """A layer and its neurons."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.layer = Layer(width_in, width_out, 3, stride)

    def forward(self, x: Tensor, host: SpikingHost) -> Tensor:
        """Spikes to spikes."""
        return host.fire(self.layer(x, host.parts))


class Block(nn.Module):
    """Two layers around a shortcut, whose currents meet in the last neurons."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.first = Layer(width_in, width_out, 3, stride)
        self.second = Layer(width_out, width_out, 3, 1)
        is_same = stride == 1 and width_in == width_out
        self.shortcut = None if is_same else Layer(width_in, width_out, 1, stride)

    def forward(self, x: Tensor, host: SpikingHost) -> Tensor:
        """Spikes to spikes."""
        current = self.second(host.fire(self.first(x, host.parts)), host.parts)
        return host.fire(current + (x if self.shortcut is None else self.shortcut(x, host.parts)))
