"""A host of one 1x1 convolution on one pixel, so that scores, gradients and MACs can be counted by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from toy import ToySource

from tickets.drawers.base import Request
from tickets.drawers.dense import Dense
from tickets.hosts.base import HostSpec
from tickets.ticket import Ticket
from tickets.training.settings import Settings

NAME = "host.conv.weight"


class Line(nn.Module):
    """Three channels to two, without batch norm: nothing is recalibrated."""

    features: ClassVar = [(2, 1)]

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """One map of one pixel."""
        return [self.conv(image)]


@dataclass(frozen=True)
class LineSpec(HostSpec):
    """The host of these tests; 6 weights and 6 MACs."""

    kind = "line"

    def build(self, units: Mapping | None = None) -> Line:
        """Fresh weights."""
        return Line()


@dataclass
class Pixel(ToySource):
    """Images that are one pixel, (1, 2, 3) by channel, under its classes; the toy head has 4 MACs."""

    size: tuple[int, int] = (1, 1)
    batch_size: int = 4

    def batch(self, stream: str, step: int) -> dict[str, Tensor]:
        """The pixel, so often."""
        pixel = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
        return super().batch(stream, step) | {"image": pixel.repeat(self.batch_size, 1, 1, 1)}


def request(sparsity: float, steps: int = 3, **changed) -> Request:
    """What to draw from the line."""
    return replace(Request(LineSpec(), Pixel(), Settings(steps, 0.02, calibration_batches=1), sparsity, 0), **changed)


def line(weight: list[list[float]]) -> Ticket:
    """A dense ticket of the line with these weights (2, 3), as they were trained and averaged."""
    drawn = Dense().draw(request(0.0, steps=1))
    raw, averaged = ({"conv.weight": torch.tensor(weight).view(2, 3, 1, 1)} for _ in range(2))
    return replace(drawn, host=replace(drawn.host, raw=raw, ema=averaged))
