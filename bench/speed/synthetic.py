"""Random batches, a network and masks of a speed request: no data set is needed to time a step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from bench.request import scale as scales
from bench.speed.request import Request
from tasks import TASKS
from tasks.base import Task
from tasks.heads.paper import make_head
from tickets.hosts.supernet import Supernet, preset
from tickets.pruning.masks import Masks, keep_top
from tickets.seeding import generator, seeded
from tickets.source import Batch, Reduction, Source
from tickets.training.network import Network

SEED = 0
BATCHES = 2


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Implements `tickets.source.Source` on a few random batches that come again and again.

    Args:
        task: its head, its loss and the format of its batches.
        batch_size: images a batch.
        heads: "light" or "paper".
        device: where the batches lie, all the time.
    """

    task: Task
    batch_size: int
    heads: str
    device: torch.device
    name: str = field(default="synthetic", init=False)

    @classmethod
    def of(cls, request: Request) -> Synthetic:
        """The source that a request asks for."""
        task = TASKS.load(request.task)(size=request.size)
        return cls(task, request.batch, scales.load(request.preset).heads, torch.device(request.device))

    @property
    def size(self) -> tuple[int, int]:
        """Input (H, W) in pixels."""
        return self.task.size

    @property
    def primary(self) -> str:
        """Name of the task's primary metric."""
        return self.task.info.primary

    def head(self, features: list[tuple[int, int]], units: Any = None, width: int | None = None) -> nn.Module:
        """A fresh head on maps of these (width, stride)."""
        return make_head(self.task, self.heads, features, units, width)

    @cached_property
    def made(self) -> list[Batch]:
        """The batches."""
        raws = (raw_batch(self.task, self.batch_size, number) for number in range(BATCHES))
        return [{key: value.to(self.device) for key, value in self.task.batch(raw).items()} for raw in raws]

    def batches(self, start: int, stop: int | None) -> Iterator[Batch]:
        """Batches number `start` to `stop` - 1, or without end."""
        steps = itertools.count(start) if stop is None else range(start, stop)
        return (self.made[step % BATCHES] for step in steps)

    def calibration(self, count: int) -> Iterator[Batch]:
        """`count` of the same batches."""
        return self.batches(0, count)

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """The task's loss."""
        return self.task.loss(outputs, batch)

    def merge(self, outputs: list[Any]) -> Any:
        """The task's."""
        return self.task.merge(outputs)

    def member(self, number: int) -> Synthetic:
        """Itself: its batches are the same for all."""
        return self

    def imitation(
        self, outputs: Any, teacher: Any, batch: Batch, temperature: float = 1.0, reduction: Reduction = "sum"
    ) -> Tensor:
        """The task's."""
        return self.task.imitation(outputs, teacher, batch, temperature, reduction)

    def score(self, network: nn.Module, split: str, limit: int | None = None) -> dict[str, float]:
        """Nothing is scored on random labels."""
        return {}


def raw_batch(task: Task, count: int, number: int) -> dict[str, Tensor]:
    """Random samples as `Arrays.gather` gives them, always the same for one number.

    Args:
        task: an adapter of any kind.
        count: samples B.
        number: of the batch.

    Returns:
        image uint8 (B, 3, H, W) with label int64 (B,), label uint8 (B, H, W), or keypoints float32 (B, K, 3)
        as (x, y, labelled) in pixels and area float32 (B,).
    """
    random = generator(SEED, "speed", number)
    height, width = task.size
    outputs = task.info.outputs
    raw = {"image": torch.randint(0, 256, (count, 3, height, width), generator=random).to(torch.uint8)}
    if task.info.kind == "cls":
        return {**raw, "label": torch.randint(0, outputs, (count,), generator=random)}
    if task.info.kind == "seg":
        return {**raw, "label": torch.randint(0, outputs, (count, height, width), generator=random).to(torch.uint8)}
    points = torch.rand(count, outputs, 3, generator=random) * torch.tensor([width - 1.0, height - 1.0, 0.0])
    points[..., 2] = 2  # labelled and visible
    return {**raw, "keypoints": points, "area": torch.full((count,), height * width / 4)}


def host_of(request: Request) -> nn.Module:
    """The asked ticket's host with fresh weights, or that of `network_of` with the same weights.

    Batch norms that scale by zero at first, as those which end a residual branch, scale by one: else whole branches
    would be dead.
    """
    with seeded(SEED, "speed", "network"):
        host = (request.host or preset(request.preset)).build()
    for norm in host.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.affine and not norm.weight.any():
            nn.init.ones_(norm.weight)
    return host


def network_of(request: Request, source: Source) -> Network:
    """The full supernet with the task's head, on the CPU; the same weights for every variant."""
    with seeded(SEED, "speed", "network"):
        host = Supernet(preset(request.preset))
        return Network(host, source.head(host.features))


def masks_of(network: Network, sparsity: float) -> Masks:
    """Unstructured masks at this sparsity, of the host and apart of a head that is pruned."""
    masks: Masks = {}
    for weights in network.prunable().values():
        masks |= keep_top(scores(weights), sparsity)
    return masks


def scores(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Magnitude relative to each layer's own, so that all layers of a fresh network are thinned alike."""
    return {name: w.detach().abs() / w.detach().abs().mean() for name, w in weights.items()}


def as_asked(forward: Callable[..., Any], request: Request) -> Callable[..., Any]:
    """A forward pass under the request's autocast and compilation."""
    return autocast(torch.compile(forward, dynamic=False) if request.compiled else forward, request)


def autocast(forward: Callable[..., Any], request: Request) -> Callable[..., Any]:
    """A forward pass in the request's type of numbers."""
    if request.dtype != "bfloat16":
        return forward
    return torch.autocast(torch.device(request.device).type, torch.bfloat16)(forward)


def layout_of(request: Request) -> torch.memory_format:
    """The memory format that a request names."""
    return torch.channels_last if request.layout == "channels_last" else torch.contiguous_format
