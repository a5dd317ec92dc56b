"""Which work counts, and counting it where it is done.

Counted: every training step, per image the forward pass once and twice more for the layers that are trained; whatever
else a method lets the network or a copy of it compute while it rides on a training, be it a scorer's batches, the
recalibration of batch norms, a probe, or a selection on val; and what a teacher or another given ticket computes. A
backward pass counts two forward passes, one through a graph that holds a gradient six. Not counted: scoring on val or
test that only measures, which nothing is chosen by. MACs are dense as executed (the architecture of the moment);
the sparse ones beside them are those of kept weights alone, and of masked weights' gradient where a method looks at it.

The clock of a training under equal MACs, or sparse ones, goes by its steps and by what given tickets compute within
them; the rest is counted and not taken off the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import register_multi_grad_hook

from tickets.cost import LayerCost, dense_macs, sparse_macs
from tickets.pruning.masks import Masks


@dataclass(frozen=True)
class Cost:
    """MACs for one image, of all weights and of the kept ones."""

    dense: int
    sparse: int

    @classmethod
    def of(cls, layers: Sequence[LayerCost], masks: Masks) -> Cost:
        """What some layers cost under these masks."""
        return cls(dense_macs(layers), sparse_macs(layers, masks))

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.dense + other.dense, self.sparse + other.sparse)


@dataclass
class Spent:
    """Executed work so far, as the module's docstring counts it.

    Args:
        macs: all of it.
        sparse_macs: of kept weights.
        images: of training steps, once each; run through a host otherwise, a backward pass counting two.
        teacher_macs: the part of `macs` that given tickets computed.
    """

    macs: int = 0
    sparse_macs: int = 0
    images: int = 0
    teacher_macs: int = 0

    def add(self, images: int, cost: Cost) -> None:
        """Count some images at a cost each."""
        self.images += images
        self.macs += images * cost.dense
        self.sparse_macs += images * cost.sparse

    def __add__(self, other: Spent) -> Spent:
        return Spent(**{name: number + getattr(other, name) for name, number in vars(self).items()})

    def to_json(self) -> dict[str, int]:
        """Plain numbers; those of teachers only where there are any."""
        return {name: number for name, number in vars(self).items() if number or name != "teacher_macs"}


class Meter:
    """Counts what a host and its copies compute while it is on.

    Args:
        host: from now on it, and every copy made of it, tells this meter of its forward and backward passes; another
            meter that it told before is forgotten.
        count: told the number of images, as if each had been run forward once.
        is_on: whether to count at once, and always.
    """

    def __init__(self, host: nn.Module, count: Callable[[int], None], is_on: bool = False) -> None:
        self.count, self.is_on = count, is_on
        for key, hook in list(host._forward_hooks.items()):
            if isinstance(getattr(hook, "__self__", None), Meter):
                del host._forward_hooks[key]
        host.register_forward_hook(self.seen)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Count within the block."""
        before, self.is_on = self.is_on, True
        try:
            yield
        finally:
            self.is_on = before

    @contextmanager
    def off(self) -> Iterator[None]:
        """Do not count within the block: it only measures."""
        before, self.is_on = self.is_on, False
        try:
            yield
        finally:
            self.is_on = before

    def __deepcopy__(self, memo: dict[int, Any]) -> Meter:
        """A copied host is counted by the same meter."""
        return self

    def seen(self, host: nn.Module, inputs: tuple[Any, ...], maps: Any) -> None:
        """The forward hook: count the images, and each backward pass through their maps."""
        if not self.is_on or maps[0].device.type == "meta":
            return
        images, graph = len(inputs[0]), 1
        self.count(images)

        def backward(gradient: Tensor) -> None:
            nonlocal graph
            self.count(2 * graph * images)
            if torch.is_grad_enabled():  # a graph of the gradient is made, and it is three passes deep
                graph *= 3

        trained = [one for one in maps if one.requires_grad]
        if trained:
            register_multi_grad_hook(trained, backward, mode="any")
