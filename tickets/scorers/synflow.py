"""Scorer: synaptic flow (SynFlow, arXiv 2006.05467)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tickets.errors import UserError
from tickets.hosts.base import NORMS, given_to, latent_of
from tickets.pruning.masks import Masks, keep_top, ones
from tickets.scorers.base import Scorer, below, gradient
from tickets.source import Source
from tickets.training.network import Network

ROUNDS = 100
"""Prunings, the caller's included."""


@dataclass(frozen=True)
class SynFlow(Scorer):
    """|w dR/dw|, a weight's share of the flow R through the network.

    R is the sum of the outputs for an image of ones, or of the maps of a host that takes latents for one of ones, of a
    float64 copy made linear and positive: |w| for w,
    no biases, norms reduced to positive scales. The kept share falls exponentially in 100 rounds, each
    scored under the masks of the one before, which saves a bottleneck from being emptied at once. A chain
    of layers keeps a weight in each; of parallel paths, as beside a skip, one may lose all of its weights.

    Host and head are chosen from apart, as `Network.prunable` has it. The values are the last round's, with
    all that went earlier below them: `keep_top` of a part at `sparsity` gives that round's masks.
    """

    def scores(self, network: Network, source: Source, seed: int, sparsity: float) -> dict[str, Tensor]:
        """|w dR/dw| of the last round.

        Raises:
            UserError: the sparsity is outside of [0, 1).
        """
        if not 0 <= sparsity < 1:
            raise UserError(f"sparsity {sparsity} cannot be scored for; give a share from 0 up to, not including, 1.")
        twin = network.effective()
        _linearise(twin.double())
        weights = twin.weights()
        run = twin if latent_of(network.host) is None else twin.host
        given = torch.ones(1, *given_to(run, source.size), dtype=torch.float64, device=source.device)
        sizes = {name: w.detach().double().abs() for name, w in network.weights().items()}
        masks = ones(sizes) | {name: mask for name, mask in network.masks.items() if name in sizes}
        present = network.masking.present(network)

        def shares() -> dict[str, Tensor]:
            with torch.no_grad():
                for name, w in weights.items():
                    w.copy_(sizes[name] * masks[name])
            with torch.enable_grad():
                outputs = run(given)
                slopes = gradient(outputs.sum() if run is twin else sum(one.sum() for one in outputs), weights)
            return below({name: sizes[name] * slope for name, slope in slopes.items()}, present)

        for k in range(1, ROUNDS):
            chosen = _keep(network, shares(), 1 - (1 - sparsity) ** (k / ROUNDS))
            masks = present = {name: present[name] & mask for name, mask in chosen.items()}
        return shares()


def _keep(network: Network, scores: Mapping[str, Tensor], sparsity: float) -> Masks:
    """The highest scores of each part."""
    masks: Masks = {}
    for part in network.prunable().values():
        masks |= keep_top({name: scores[name] for name in part}, sparsity)
    return masks


_ADDED = ("bias", "shift")


class _Scale(nn.Module):
    """A norm made linear and positive: x |gamma|, over the running standard deviation where there is one."""

    def __init__(self, norm: nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm) -> None:
        super().__init__()
        self.last = isinstance(norm, nn.LayerNorm)
        self.scale: Tensor | float = 1.0 if norm.weight is None else norm.weight.detach().abs()
        variance: Tensor | None = getattr(norm, "running_var", None)
        if variance is not None:
            self.scale = self.scale / torch.sqrt(variance + norm.eps)

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels, or the last dimensions after a LayerNorm."""
        return x * self.scale if self.last else (x.movedim(1, -1) * self.scale).movedim(-1, 1)


@torch.no_grad()
def _linearise(module: nn.Module) -> None:
    """Make a module of convolutions, norms and ReLUs linear and positive on positive inputs, in place."""
    for name, child in list(module.named_modules()):
        if isinstance(child, NORMS):
            owner, _, leaf = name.rpartition(".")
            setattr(module.get_submodule(owner), leaf, _Scale(child))
    for name, parameter in module.named_parameters():
        if name.rpartition(".")[2] in _ADDED:
            parameter.zero_()
        else:
            parameter.abs_()
