"""Drawer: task-agnostic mask training (Liu et al., arXiv 2204.11218), its principle on vision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tickets.drawers.base import Drawer, Request, last_prune, trained
from tickets.drawers.scored import Allocated, MaskTraining
from tickets.errors import UserError
from tickets.patterns import ELEMENT
from tickets.pruning.masks import Masks
from tickets.seeding import generator
from tickets.training.events import Event, at
from tickets.training.loop import Training
from tickets.training.masking import Scored
from tickets.training.method import Pass
from tickets.training.network import Network
from tickets.traits import Traits, based_on


@dataclass(frozen=True)
class TaskAgnosticMasks(MaskTraining):
    """Train which weights of a trained network stay: L(theta * m(s)) over s alone, theta the dense network's weights.

    Scores begin at 2 tau where a mask of the sparsity keeps a weight and at 0 elsewhere. The gradient of a score is
    theta dL/d(theta m), of kept and removed weights alike. What L is: the source's loss; or, without any label, what
    parts the feature maps from those of the dense network, the mean over maps and positions of 1 - cos over channels;
    or the sum of both. The ticket is (theta, m), for `finetune` to start from.

    The dense network that is imitated is the base as it was scored, averaged and in evaluation; its forward passes are
    a teacher's. Imitation alone leaves the head as it is. BERT, of which the paper tells, has no batch norms; what
    becomes of them (`MaskTraining`) is ours, as is that masks are exact after every step and not at resets only.

    Args:
        objective: L: "task", "kd" (imitation) or "both".
        start: the first mask: "magnitude", the largest weights of every layer, or "random".
        tau: half the first gap between scores of kept and of removed weights, above 0; `travel` is counted in it.
        reset: 0, or the fraction of training, below 1, at which the released code's thresholds are set anew: by layer
            to the k-th smallest score, k = round(sparsity * weights), of which those above it stay, so that ties with
            it go and too few stay; in between the sparsity floats. The last choice is by the exact count.
    """

    objective: Literal["task", "kd", "both"] = "task"
    start: Literal["magnitude", "random"] = "magnitude"
    travel: float = 42.0
    tau: float = 0.01
    reset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tau <= 0:
            raise UserError(f"tau is {self.tau}; it is half the first gap between scores, give a number above 0")
        if not 0 <= self.reset < 1:
            raise UserError(f"reset is {self.reset}; give a fraction of the training below 1, or 0 for every step")
        if self.reset and (self.allocation, self.pattern) != ("uniform", ELEMENT):
            raise UserError(
                f"reset is {self.reset} with allocation {self.allocation} and pattern {self.pattern}; thresholds are "
                "by layer, so leave these at uniform and element, or reset at 0"
            )

    @property
    def traits(self) -> Traits:
        """It starts from a dense network."""
        return Traits(based_on("dense"))

    @property
    def unit(self) -> float:
        """Tau."""
        return self.tau

    @property
    def trains_head(self) -> bool:
        """Imitation does not reach it."""
        return super().trains_head and self.objective != "kd"

    def events(self, steps: int, sparsity: float) -> tuple[Event, ...]:
        """The resets of thresholds, and the exact choice; none where every step makes that."""
        if not self.reset:
            return ()
        every = at(self.reset, steps)
        resets = (Event(step, "thresholds") for step in range(every, steps, every))
        return (*resets, *last_prune(steps, sparsity))

    def do_thresholds(self, training: Training) -> None:
        """Set the thresholds of all layers anew."""
        _thresholded(training).reset()
        training.masks_changed()

    def do_prune(self, training: Training, sparsity: float) -> None:
        """Choose by count from now on."""
        _thresholded(training).thresholds.fill_(torch.nan)
        training.masks_changed()

    def network(self, request: Request, before: Training | None) -> Network:
        """The base's network under the first scores.

        Raises:
            UserError: the base is no network of the host that is drawn from.
        """
        base = request.given["base"].spec
        if base.to_json() != request.spec.to_json():
            raise UserError(
                f"the masks are trained on the weights of a base that was drawn from another host ({base.kind}) than "
                f"the one asked for ({request.spec.kind}); draw both from one."
            )
        network = trained(request)
        network.masking = self.masking(network, request)
        return network

    def first(self, network: Network, request: Request) -> dict[str, Tensor]:
        """2 tau where the first mask keeps a weight, else 0."""
        ranks = self.scores(network, request.source)
        if self.start == "random":
            g = generator(request.seed, "first mask")
            ranks = {name: torch.rand(rank.shape, generator=g).to(rank.device) for name, rank in ranks.items()}
        masks = self.allocate(network, ranks, self.target(request.sparsity))
        return {name: 2 * self.tau * mask.to(ranks[name].dtype) for name, mask in masks.items()}

    def scored(self, scores: dict[str, Tensor], sparsity: float, learning_rate: float) -> Scored:
        """By count, or by thresholds."""
        if not self.reset:
            return super().scored(scores, sparsity, learning_rate)
        return Thresholded(scores, self, sparsity, learning_rate, self.tau)

    def loss(self, training: Training, seen: Pass) -> Tensor:
        """The objective."""
        if self.objective == "task":
            return super().loss(training, seen)
        with torch.no_grad(), training.autocast():
            told, _ = training.network_of("base").both(seen.batch["image"])
        parted = distance(seen.maps, told)
        return parted if self.objective == "kd" else super().loss(training, seen) + parted


def distance(maps: Sequence[Tensor], told: Sequence[Tensor]) -> Tensor:
    """How far feature maps point away from others: the mean over maps and positions of 1 - cos over channels.

    Args:
        maps: (B, channels, h, w) each.
        told: as many, of the same shapes.

    Returns:
        A scalar in [0, 2].
    """
    pairs = zip(maps, told, strict=True)
    likeness = [F.cosine_similarity(own.float(), theirs.float(), dim=1).mean() for own, theirs in pairs]
    return 1 - torch.stack(likeness).mean()


class Thresholded(Allocated):
    """Scores whose mask keeps those above a threshold of their layer, as the released code has it.

    Args:
        scores, drawer, sparsity, learning_rate: as `Allocated` takes them.
        threshold: of all layers, at first.
    """

    thresholds: Tensor
    """(layers,), float32; NaN where masks are chosen by count."""

    def __init__(
        self, scores: dict[str, Tensor], drawer: Drawer, sparsity: float, learning_rate: float, threshold: float
    ) -> None:
        super().__init__(scores, drawer, sparsity, learning_rate)
        self.register_buffer("thresholds", torch.full((len(scores),), threshold))

    @torch.no_grad()
    def reset(self) -> None:
        """The k-th smallest score of each layer, k = round(sparsity * weights); below all where k is 0."""
        for i, score in enumerate(self.scores):
            k = round(self.sparsity * score.numel())
            self.thresholds[i] = score.flatten().kthvalue(k).values if k else -torch.inf

    def choose(self, network: Network, ranks: dict[str, Tensor]) -> Masks:
        """What lies above the thresholds, which is few of what is equal; or the exact count."""
        if self.thresholds.isnan().any():
            return super().choose(network, ranks)
        return {name: rank > low for (name, rank), low in zip(ranks.items(), self.thresholds, strict=True)}


def _thresholded(training: Training) -> Thresholded:
    """The masking of a training that has thresholds."""
    masking = training.network.masking
    assert isinstance(masking, Thresholded)  # events with thresholds are planned for no other
    return masking
