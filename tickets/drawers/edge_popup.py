"""Drawer: edge-popup, which finds a network inside random weights (Ramanujan et al., arXiv 1911.13299)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tickets.drawers.base import Request
from tickets.drawers.scored import Allocated, MaskTraining
from tickets.errors import UserError
from tickets.hosts.base import HostSpec
from tickets.seeding import generator
from tickets.training.ema import Norm
from tickets.training.loop import Training
from tickets.training.masking import Scored
from tickets.training.network import Network


@dataclass(frozen=True)
class EdgePopup(MaskTraining):
    """Keep the random weights of the largest |s|, s trained by the source's loss through the mask (its algorithm 1).

    The gradient of |s| is w dL/d(m w), of kept and removed weights alike; no weight is ever trained, and the recipe
    `frozen` shows what that is worth on a target. Scores begin uniform in [-1, 1] in every layer, so that one learning
    rate moves all layers alike (ours; the released code's begin within 1 / sqrt(fan-in) and are trained by SGD).

    Args:
        weights: "constant", the signed Kaiming constant, sign(w) sqrt(2 / fan-in), with batch norms of the host that
            scale by 1 and add 0; or "initial", the host's own first weights and norms.
    """

    weights: Literal["constant", "initial"] = "constant"

    def check(self, spec: HostSpec, sparsity: float) -> None:
        """As every drawer's.

        Raises:
            UserError: nothing would be removed, so that nothing is chosen; or as every drawer's.
        """
        if self.target(sparsity) == 0:
            raise UserError(
                f"sparsity is {sparsity}; no weight is trained here, so that leaves the untrained network: ask for a "
                "sparsity above 0"
            )
        super().check(spec, sparsity)

    def network(self, request: Request, before: Training | None) -> Network:
        """The untrained network, all of whose prunable weights have one size a layer."""
        network = super().network(request, before)
        if self.weights == "constant":
            make_constant(network)
        return network

    def first(self, network: Network, request: Request) -> dict[str, Tensor]:
        """Uniform in [-1, 1]."""
        g = generator(request.seed, "edge scores")
        drawn = {name: torch.rand(w.shape, generator=g).to(w.device) for name, w in network.weights().items()}
        return {name: 2 * score - 1 for name, score in drawn.items()}

    def scored(self, scores: dict[str, Tensor], sparsity: float, learning_rate: float) -> Scored:
        """Ranked by size."""
        return Sizes(scores, self, sparsity, learning_rate)


class Sizes(Allocated):
    """Scores that rank by their absolute value."""

    def ranked(self, score: Tensor) -> Tensor:
        """|s|."""
        return score.abs()


@torch.no_grad()
def make_constant(network: Network) -> None:
    """Give the prunable weights of a layer the size sqrt(2 / fan-in), signs kept, and the host's norms no effect."""
    for weight in network.weights().values():
        size = math.sqrt(2 / weight[0].numel())
        weight.copy_(torch.where(weight < 0, -size, size))
    for norm in (module for module in network.host.modules() if isinstance(module, Norm) and module.affine):
        norm.weight.fill_(1)
        norm.bias.zero_()
