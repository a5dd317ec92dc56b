"""What a mask does to its weight while training: three meanings, each an object.

Reparam: the forward pass uses m*w; a masked weight gets no data gradient and keeps its value, so that it can return
(SuperTickets, CV_LTH). Projection: w <- m*w after every step; the gradient reaches every weight (open_lth,
jaxpruner). Scored: every weight has a score that is trained through the mask, straight through, while the mask keeps
the highest scores (edge-popup, arXiv 1911.13299; TAMT, arXiv 2204.11218).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tickets.errors import unknown
from tickets.pruning.allocation import allocate
from tickets.pruning.masks import Masked, Masks, Semantics, ones

if TYPE_CHECKING:
    from tickets.training.network import Network
    from tickets.training.settings import Settings


class Masking(nn.Module):
    """One meaning of masks; what a network asks in its forward pass and a training after its steps."""

    replaces: bool = False
    """Whether the forward pass uses something else than the weight, so that `weight` must be asked."""
    forgets: bool = False
    """Whether a masked weight loses its value, so that nothing is left to score it by."""
    chooses: bool = False
    """Whether settling chooses masks anew, so that costs follow every step."""
    reaches: bool = False
    """Whether it needs the gradient of masked weights too, so that gradients of weights cost as much as dense ones."""

    def weight(self, name: str, w: Tensor, mask: Tensor) -> Tensor:
        """What the forward pass uses in place of the weight `w`, as the network names it."""
        return w

    def bind(self, network: Network) -> None:
        """Be told of new masks or of a new architecture, before `settle`."""

    def settle(self, network: Network) -> None:
        """Bring weights or masks in line, after an optimiser step or with new masks."""

    def groups(self, settings: Settings) -> list[dict[str, Any]]:
        """Optimiser groups of its own parameters; they come before that of biases and batch norms."""
        return []

    def trains(self, name: str) -> bool:
        """Whether it trains something through the weight of this name, though the weight itself may be frozen."""
        return False

    def present(self, network: Network) -> Masks:
        """Which prunable weights still have a value to be scored by."""
        kept = ones(network.weights())
        return kept | {n: m for n, m in network.masks.items() if n in kept} if self.forgets else kept


class Reparam(Masking):
    """The forward pass uses m*w."""

    replaces = True

    def weight(self, name: str, w: Tensor, mask: Tensor) -> Tensor:
        """m*w."""
        return w * mask


class Projection(Masking):
    """Masked weights are set to zero after every step."""

    forgets = True

    def __init__(self) -> None:
        super().__init__()
        self._bound: tuple[Masks, Masked] | None = None

    def bind(self, network: Network) -> None:
        """Look up the masked weights, which takes longer than to multiply them."""
        self._bound = network.masks, Masked(network, network.masks)

    def settle(self, network: Network) -> None:
        """w <- m*w."""
        if self._bound is None or self._bound[0] is not network.masks:
            self.bind(network)
        assert self._bound is not None  # by the line above
        self._bound[1].project()


class _Straight(torch.autograd.Function):
    """The mask as numbers, whose gradient is handed on to the scores unchanged."""

    @staticmethod
    def forward(ctx: Any, score: Tensor, mask: Tensor) -> Tensor:
        return mask.to(score.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


class Scored(Masking):
    """A trained score for every weight; the mask keeps the highest ones at the sparsity in force.

    The weights themselves are trained too unless they are frozen. The architecture must stay as it is. Methods that
    rank by something else than the score itself override `ranked`, such as choose otherwise `choose`.

    Args:
        scores: the first scores by weight name, shaped like the weights; copied.
        sparsity: removed share, in [0, 1).
        learning_rate: of the scores, as a factor on that of the weights.
        allocation: how the sparsity is spread over the layers.
    """

    replaces = True
    chooses = True
    reaches = True

    def __init__(
        self, scores: Mapping[str, Tensor], sparsity: float, learning_rate: float = 1.0, allocation: str = "global"
    ) -> None:
        super().__init__()
        self.names = list(scores)
        self.scores = nn.ParameterList(nn.Parameter(score.detach().clone()) for score in scores.values())
        self.sparsity, self.learning_rate, self.allocation = sparsity, learning_rate, allocation

    def weight(self, name: str, w: Tensor, mask: Tensor) -> Tensor:
        """m*w, where the gradient of m goes to what its score is ranked by."""
        if name not in self.names:
            return w * mask
        kept: Tensor = _Straight.apply(self.ranked(self.scores[self.names.index(name)]), mask)
        return w * kept

    def ranked(self, score: Tensor) -> Tensor:
        """What weights are ranked by, differentiable; the score itself."""
        return score

    def choose(self, network: Network, ranks: dict[str, Tensor]) -> Masks:
        """The masks of these weights; the highest ranks, by the allocation."""
        return allocate(ranks, self.sparsity, self.allocation)

    @torch.no_grad()
    def settle(self, network: Network) -> None:
        """Choose the masks anew by the scores; masks of other weights stay."""
        ranks = {name: self.ranked(score.detach()) for name, score in zip(self.names, self.scores, strict=True)}
        network.masks = {**network.masks, **self.choose(network, ranks)}

    def groups(self, settings: Settings) -> list[dict[str, Any]]:
        """The scores, without weight decay."""
        rate = settings.learning_rate * self.learning_rate
        return [{"params": list(self.scores), "weight_decay": 0.0, "lr": rate}]

    def trains(self, name: str) -> bool:
        """The scores."""
        return name in self.names


PLAIN = {Semantics.REPARAM: Reparam, Semantics.PROJECTION: Projection}
"""The meanings that need nothing but their name."""


def masking(semantics: Semantics) -> Masking:
    """The masking of a name.

    Raises:
        UserError: it needs scores, which only its drawer has.
    """
    if semantics not in PLAIN:
        raise unknown("semantics of masks without scores", semantics, PLAIN)
    return PLAIN[semantics]()
