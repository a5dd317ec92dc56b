"""The running average of a network's weights, and batch norms recalibrated to it."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tickets.pruning.masks import project
from tickets.training.network import Network

Norm = nn.modules.batchnorm._BatchNorm
MASKING = "masking."
"""What the names of a masking's own tensors begin with; masks are not averaged, and neither is what makes them."""


def averaged_tensors(network: nn.Module) -> dict[str, Tensor]:
    """What is averaged: every parameter and every floating-point buffer (BN statistics) of host and head, by name."""
    found: dict[str, Tensor] = dict(network.named_parameters())
    found.update((name, b) for name, b in network.named_buffers() if b.is_floating_point())
    return {name: tensor for name, tensor in found.items() if not name.startswith(MASKING)}


class Ema:
    """Exponential moving average with the warm-up rule min(decay, (1 + n) / (10 + n)), n = updates so far.

    In short runs the warm-up term wins throughout: the average covers about the last ninth of training.
    Masks are not averaged.

    Args:
        network: whose tensors are averaged; its current values are the start.
        decay: nominal decay per update, in [0, 1).
        updates: the n of the first one.
    """

    def __init__(self, network: nn.Module, decay: float, updates: int = 0) -> None:
        self.decay, self.updates = decay, updates
        self.values = {name: t.detach().clone() for name, t in averaged_tensors(network).items()}
        self._of: dict[str, Tensor] | None = None

    def rebind(self) -> None:
        """Be told of a new architecture: the network's tensors are looked up anew by the next `update`."""
        self._of = None

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the network's current tensors; the network is the same one each time."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        if self._of is None:  # which takes longer than to average them
            self._of = averaged_tensors(network)
        torch._foreach_lerp_([self.values[name] for name in self._of], list(self._of.values()), 1 - decay)

    def copy_of(self, network: Network) -> Network:
        """A copy of the network with averaged weights x its masks, all of them plain zeros."""
        twin = Network(copy.deepcopy(network.host), copy.deepcopy(network.head))
        with torch.no_grad():
            for name, tensor in averaged_tensors(twin).items():
                tensor.copy_(self.values[name])
        project(twin, network.masks)
        return twin


@torch.no_grad()
def recalibrate(network: nn.Module, images: Iterable[Tensor]) -> int:
    """Recompute all batch-norm statistics as plain averages over batches, everything else in eval mode.

    A network without batch norm is left as it is, and nothing is run.

    Args:
        network: changed in place; left in eval mode.
        images: batches (B, 3, H, W).

    Returns:
        The number of images run.
    """
    norms = [m for m in network.modules() if isinstance(m, Norm)]
    network.eval()
    if not norms:
        return 0
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    count = 0
    for image in images:
        network(image)
        count += len(image)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
    return count
