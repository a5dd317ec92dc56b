"""Recipe: train the ticket to say what a dense network says (Hinton et al., arXiv 1503.02531)."""

from dataclasses import dataclass

import torch

from tickets import Finetune, Need, Traits, UserError


@dataclass(frozen=True)
class Distil(Finetune):
    """alpha T^2 KL(teacher || ticket) + (1 - alpha) loss; the teacher is the dense network trained on the target.

    Args:
        temperature: T, which divides the logits (along dimension 1) of both.
        alpha: weight of the teacher, in [0, 1].
    """

    traits = Traits(needs=(Need("teacher", "dense", on="target"),))
    temperature: float = 4.0
    alpha: float = 0.9

    def __post_init__(self):
        if not (self.temperature > 0 and 0 <= self.alpha <= 1):
            raise UserError(f"temperature {self.temperature} must be above 0, alpha {self.alpha} within [0, 1]")

    def loss(self, training, seen):
        told, said = training.network_of("teacher")(seen.batch["image"]), seen.outputs
        p, q = ((logits / self.temperature).log_softmax(1) for logits in (told, said))
        pull = self.temperature**2 * torch.sum(p.exp() * (p - q), 1).mean()
        return self.alpha * pull + (1 - self.alpha) * super().loss(training, seen)
