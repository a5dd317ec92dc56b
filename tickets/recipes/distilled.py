"""Recipe: KD tickets, trained to say what a dense network says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from tickets.errors import UserError
from tickets.recipes.base import Recipe
from tickets.recipes.finetune import Finetune
from tickets.recipes.rewind import Rewind
from tickets.recipes.scratch import Scratch
from tickets.source import Reduction
from tickets.ticket import Ticket
from tickets.training.loop import Training
from tickets.training.method import Pass
from tickets.traits import Traits, taught_by

STARTS: dict[str, type[Recipe]] = {"initial": Scratch, "rewind": Rewind, "inherit": Finetune}


@dataclass(frozen=True)
class Distilled(Recipe):
    """alpha * imitation + (1 - alpha) * loss, the imitation being T^2 KL(teacher || ticket) where outputs are logits.

    H. Ma, T. Chen, T.-K. Hu, C. You, X. Xie, Z. Wang, Good Students Play Big Lottery Better (arXiv 2101.03255), after
    Hinton et al. (arXiv 1503.02531). The teacher is the dense network trained on the target, averaged weights, in eval
    mode; it sees the very images that the ticket sees. What a task compares, its `imitation` says. The defaults are
    those of the paper on CIFAR; on ImageNet it has temperature 4 and until 2/3 ("early-stopped").

    The released code for CIFAR averages the divergence over the classes, too (KD-1), so that alpha 0.9 and T 5 pull a
    tenth as hard with ten classes: `reduction` "mean", which is `kd/as_released`. Its other quirks are none of training
    here: KD-2, the early stop of ImageNet's script alone, is `until`; KD-3, live weights that are exactly 0 are frozen,
    needs such weights, which random starts do not have; KD-4 is in README and file names; KD-5, the first convolution
    is pruned and the classifier is not, holds for all hosts and light heads of this project.

    Args:
        start: what it starts from: "initial", the first weights of this seed, as recipe `scratch`; "rewind", as recipe
            `rewind`; "inherit", the ticket's own weights, as recipe `finetune`.
        temperature: T, above 0, which divides the logits of both.
        alpha: weight of the imitation, in [0, 1]; that of the loss is the rest. 0 asks for no teacher.
        until: share of the training, in [0, 1], after which the loss alone counts and the teacher is not run.
        reduction: "sum" over the alternatives of a softmax, the divergence itself, or their "mean".

    Raises:
        UserError: temperature, alpha or until is out of its range.
    """

    start: Literal["initial", "rewind", "inherit"] = "initial"
    temperature: float = 5.0
    alpha: float = 0.9
    until: float = 1.0
    reduction: Reduction = "sum"

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise UserError(f"temperature is {self.temperature}; it divides logits, give a number above 0")
        if not 0 <= self.alpha <= 1:
            raise UserError(f"alpha is {self.alpha}; it weighs imitation against labels, give a number in [0, 1]")
        if not 0 <= self.until <= 1:
            raise UserError(f"until is {self.until}; it is the share of the training with a teacher, in [0, 1]")

    @property
    def traits(self) -> Traits:
        """It needs a teacher while it is taught, and a rewind point where it starts from one."""
        taught = bool(self.alpha and self.until)
        return Traits(taught_by("dense") if taught else (), is_from_rewind=self.start == "rewind", imitates=taught)

    def host(self, ticket: Ticket, seed: int) -> nn.Module:
        """As the recipe of that start."""
        return STARTS[self.start]().host(ticket, seed)

    def objective(self, training: Training, seen: Pass) -> Tensor:
        """Imitation and loss, weighed, while there is a teacher; then the loss."""
        loss = super().objective(training, seen)
        if not self.alpha or training.clock >= self.until * training.settings.steps:
            return loss
        with torch.no_grad(), training.autocast():
            told = training.network_of("teacher")(seen.batch["image"])
        apart = training.source.imitation(seen.outputs, told, seen.batch, self.temperature, self.reduction)
        return self.alpha * apart + (1 - self.alpha) * loss
