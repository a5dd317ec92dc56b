"""A source and a supernet small enough for unit tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tickets.contract.brightness import TIMED
from tickets.contract.brightness import Brightness as ToySource
from tickets.contract.brightness import Pool as ToyHead
from tickets.drawers import DRAWERS as BUILT_IN
from tickets.drawers.base import Drawer, Request
from tickets.hosts.base import HostSpec
from tickets.hosts.supernet import Spec, Stage
from tickets.ticket import Ticket
from tickets.ticket_set import TicketSet
from tickets.training.masking import Masking
from tickets.training.network import Network

__all__ = [
    "DRAWERS", "SPEC", "TIMED", "OneConv", "OneConvSpec", "ToyHead", "ToySource", "drawn", "toy_network", "toy_spec",
]  # fmt: skip

SPEC = Spec(stem=4, stages=(Stage((1,), (4,)), Stage((1, 1), (4, 6))), expansion=1)
"""A supernet of two branches and 6 blocks, for 16x16 images."""

SHORTER = {"imp/many_rounds": "@rate=0.7"} | dict.fromkeys(
    (name for name in BUILT_IN.builtin if name.startswith("netadaptv2")), "@iterations=1@samples=2@macs_target=0.9"
)
"""Options by which those that train or look for many times the request's steps do so for fewer."""
ASIDE = {name for name, traits in BUILT_IN.traits_by_name() if traits.needs_weights or traits.needs_file}
"""Drawers that need a file, of weights or of a ticket."""
DRAWERS = [name + SHORTER.get(name, "") for name in BUILT_IN.builtin if name not in ASIDE]
"""All built-in drawers that draw from any host, with their defaults but for those that would take long."""


def toy_spec(drawer: Drawer) -> HostSpec:
    """What a drawer can draw from: a host with time steps where it needs one."""
    return TIMED if drawer.traits.lowers_timesteps else SPEC


def toy_network(masking: Masking | None = None, seed: int = 0) -> Network:
    """An untrained toy supernet with its head, in train mode."""
    torch.manual_seed(seed)
    host = SPEC.build()
    return Network(host, ToyHead(host.features), masking=masking)


def drawn(drawer: Drawer, request: Request, known: Mapping[str, Any] | None = None) -> Ticket | TicketSet:
    """A drawer's ticket or set, drawn after the tickets that it needs, by drawers with the `known` options."""
    given = {}
    for need in drawer.traits.needs:
        sparsity = request.sparsity if need.sparsity is None else need.sparsity
        given[need.role] = drawn(BUILT_IN.make(need.drawer, known), replace(request, sparsity=sparsity), known)
    return drawer.draw(replace(request, given=given))


class OneConv(nn.Module):
    """A 3x3 convolution of stride 2 and nothing else; without a batch norm nothing is recalibrated."""

    features: ClassVar = [(4, 2)]

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1, bias=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """One map."""
        return [self.conv(image).relu()]


@dataclass(frozen=True)
class OneConvSpec(HostSpec):
    """A host whose costs are counted by hand: 108 weights."""

    kind = "one_conv"

    def build(self, units: Mapping[str, Any] | None = None) -> nn.Module:
        """Fresh weights."""
        return OneConv()
