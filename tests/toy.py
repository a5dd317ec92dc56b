"""A source small enough for unit tests: random images, two classes told apart by their brightness."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tickets.drawers import DRAWERS as BUILT_IN
from tickets.drawers.base import Drawer, Request
from tickets.hosts.supernet import Spec, Stage
from tickets.masking import Masking
from tickets.network import Network
from tickets.seeding import generator
from tickets.source import Batch
from tickets.ticket import Ticket

SPEC = Spec(stem=4, stages=(Stage((1,), (4,)), Stage((1, 1), (4, 6))), expansion=1)
"""A supernet of two branches and 6 blocks, for 16x16 images."""

DRAWERS = ["imp/many_rounds@rate=0.7" if name == "imp/many_rounds" else name for name in BUILT_IN.builtin]
"""All built-in drawers with their defaults; the one that trains for many times the request's steps, for fewer."""


class ToyHead(nn.Module):
    """Pool every map, one linear layer."""

    def __init__(self, features: list[tuple[int, int]], outputs: int = 2) -> None:
        super().__init__()
        self.predict = nn.Linear(sum(width for width, _ in features), outputs)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps -> (B, outputs) logits."""
        return self.predict(torch.cat([m.mean((2, 3)) for m in maps], dim=1))


@dataclass
class ToySource:
    """Implements `tickets.source.Source` on generated images."""

    name: str = "toy/bright"
    size: tuple[int, int] = (16, 16)
    batch_size: int = 8
    primary: str = "top1"
    outputs: int = 2
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def head(self, features: list[tuple[int, int]], units: object = None, width: int | None = None) -> nn.Module:
        """A pooling head."""
        return ToyHead(features, self.outputs)

    def batch(self, stream: str, step: int) -> Batch:
        """Batch number `step` of a stream, always the same."""
        g = generator(0, stream, step)
        label = torch.randint(0, 2, (self.batch_size,), generator=g)
        image = torch.randn(self.batch_size, 3, *self.size, generator=g) + label[:, None, None, None]
        return {"image": image, "label": label}

    def batches(self, start: int, stop: int | None) -> Iterator[Batch]:
        """Training batches."""
        steps = itertools.count(start) if stop is None else range(start, stop)
        return (self.batch("train", step) for step in steps)

    def calibration(self, count: int) -> Iterator[Batch]:
        """Batches for BN statistics."""
        return (self.batch("calibration", step) for step in range(count))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross entropy."""
        return F.cross_entropy(outputs, batch["label"])

    @torch.no_grad()
    def score(self, network: nn.Module, split: str) -> dict[str, float]:
        """Accuracy on two batches."""
        hits = [
            (network.eval()(b["image"]).argmax(1) == b["label"]).float().mean()
            for b in (self.batch(split, step) for step in range(2))
        ]
        return {"top1": float(torch.stack(hits).mean())}


def toy_network(masking: Masking | None = None, seed: int = 0) -> Network:
    """An untrained toy supernet with its head, in train mode."""
    torch.manual_seed(seed)
    host = SPEC.build()
    return Network(host, ToyHead(host.features), masking=masking)


def drawn(drawer: Drawer, request: Request, known: Mapping[str, Any] | None = None) -> Ticket:
    """A drawer's ticket, drawn after the tickets that it needs, by drawers with the `known` options."""
    given = {}
    for need in drawer.traits.needs:
        sparsity = request.sparsity if need.sparsity is None else need.sparsity
        given[need.role] = drawn(BUILT_IN.make(need.drawer, known), replace(request, sparsity=sparsity), known)
    return drawer.draw(replace(request, given=given))
