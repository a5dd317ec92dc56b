"""What drawers share that train masks and leave the weights as they are."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from tickets.drawers.base import Drawer, Request
from tickets.errors import UserError
from tickets.pruning.allocation import Allocation
from tickets.pruning.masks import Masks, Semantics
from tickets.training.events import Event
from tickets.training.masking import Masking, Scored
from tickets.training.network import Network


class Allocated(Scored):
    """Scores whose masks a drawer allocates: host and a searched head apart or together, by its pattern.

    Args:
        scores: the first ones by weight name, shaped like the weights; copied.
        drawer: says where the highest are looked for.
        sparsity: removed share, in [0, 1).
        learning_rate: of the scores, as a factor on that of the weights.
    """

    def __init__(self, scores: dict[str, Tensor], drawer: Drawer, sparsity: float, learning_rate: float) -> None:
        super().__init__(scores, sparsity, learning_rate, drawer.allocation)
        self.drawer = drawer

    def choose(self, network: Network, ranks: dict[str, Tensor]) -> Masks:
        """The highest ranks, as the drawer allocates them."""
        return self.drawer.allocate(network, ranks, self.sparsity)


@dataclass(frozen=True)
class MaskTraining(Drawer):
    """Freeze the host and train a score for every prunable weight through its mask, straight through.

    Masks are chosen anew after every step and have the exact number of weights each time, in every layer where the
    allocation sets that; among equal scores the earlier is kept. Nothing of the host is trained: weights, biases,
    scales and offsets of batch norms stay to the bit, masked weights included, and are what the ticket starts from.
    In training batch norms normalise by the batch, and their running statistics follow the masked network; the
    averaged network, which is scored, has them recalibrated. In a head with search blocks, these are scored too.

    Args:
        head: "train" or "frozen": whether what cannot be pruned of the head is trained by the source's loss.
        travel: how far the scores can move in the draw, in units of the method's own, above 0. The peak of their
            learning rate follows, 2 travel / steps: Adam moves a score by about the rate in a step, and the mean of
            one cycle is half of its peak.
    """

    semantics: Semantics = Semantics.SCORED
    allocation: Allocation = "uniform"
    head: Literal["train", "frozen"] = "train"
    travel: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.semantics != Semantics.SCORED:
            raise UserError(f"semantics is {self.semantics}; masks are trained by scores, so leave it at scored")
        if self.travel <= 0:
            raise UserError(f"travel is {self.travel}; the scores would never move, give a number above 0")

    @property
    def unit(self) -> float:
        """What `travel` is counted in, as a difference of scores."""
        return 1.0

    @property
    def trains_head(self) -> bool:
        """Whether the loss reaches the head, and shall."""
        return self.head == "train"

    @abstractmethod
    def first(self, network: Network, request: Request) -> dict[str, Tensor]:
        """The first scores, by the name of every prunable weight and shaped like it."""

    def masking(self, network: Network, request: Request) -> Masking:
        """Scores for all prunable weights of the network, of which nothing but the head is left to train."""
        network.requires_grad_(False)
        network.head.requires_grad_(self.trains_head)
        for weight in network.weights().values():
            weight.requires_grad_(False)
        peak = 2 * self.travel * self.unit / request.settings.steps
        rate = peak / request.settings.learning_rate
        return self.scored(self.first(network, request), self.target(request.sparsity), rate)

    def scored(self, scores: dict[str, Tensor], sparsity: float, learning_rate: float) -> Scored:
        """The masking of these first scores."""
        return Allocated(scores, self, sparsity, learning_rate)

    def events(self, steps: int, sparsity: float) -> tuple[Event, ...]:
        """None: the masks have the sparsity from the first step on."""
        return ()
