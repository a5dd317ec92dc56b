"""Drawer: random sparse network transformation (the dual lottery ticket hypothesis, arXiv 2203.04248)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from tickets.drawers.base import Drawer, Request, Round, closing_prunes
from tickets.errors import UserError
from tickets.hosts.base import HostSpec
from tickets.pruning.allocation import Allocation
from tickets.pruning.masks import Masks
from tickets.pruning.schedules import geometric, ramp
from tickets.scorers import SCORERS
from tickets.ticket import Ticket
from tickets.training.events import Event
from tickets.training.loop import Training

LAWS = {"linear": 1, "square": 2, "cube": 3}
"""By law, the power of the ramp."""


@dataclass(frozen=True)
class RandomSparseTransformation(Drawer):
    """Choose weights P before anything is trained, drive them to zero while the dense network trains, remove exactly
    them, then train what is left by a full schedule; all of it together as long as any other drawer's training.

    The released code adds lambda_t w to the gradient of every w in P, the gradient of a growing penalty lambda_t/2
    |w_P|^2. Under Adam, whose steps do not grow with the gradient, P never gets to zero that way, so the decay is
    decoupled here: after the optimiser's step w_P <- w_P exp(-C u_t), where u_t = r_t / sum of all r and
    r_t = min(1, t / (ramp T))^law, t = 1 .. T, at a constant learning rate. What the last gradients push back stands
    in the ticket: `left` is max |w_P| / max |w| before the removal of each cycle; above 0.01 the penalty was too weak.
    It pushes by as much as a learning rate a step, whatever C is: C = 20 left 0.06 after 74 steps, 650 left 2e-7.

    With n cycles, 1 - (1 - s)^(c/n) of the weights are gone after cycle c. The P of all cycles are chosen at once and
    have nothing in common. All convolution and linear weights of the host count; the released code spares the stem.

    Args:
        select: P at random, the same as any drawer's that keeps the best of the scorer `random` by this allocation
            before it trains; or by "magnitude", the smallest first weights.
        cycles: n, transformations one after the other.
        transformation: share of the steps that they take together (115 of 315 epochs).
        rate: their constant learning rate, as a factor on the peak (0.01 in the released code, for SGD).
        ramp: share of a transformation in which the penalty grows (50,000 of 90,000 steps).
        law: how it grows.
        penalty: "decay", or "gradient", which is coupled.
        strength: C, at least 10; the released penalty comes to 650, the sum of learning rate x lambda / (1 - momentum).
            With "gradient" the lambda at which it stops growing.
        gradient: "blocked" takes from P the gradient of the task, and with "decay" that of L2, so that it feels the
            penalty alone. The released option takes it from the weights that stay, too.
    """

    allocation: Allocation = "uniform"
    select: Literal["random", "magnitude"] = "random"
    cycles: int = 1
    transformation: float = 0.37
    rate: float = 0.1
    ramp: float = 5 / 9
    law: Literal["linear", "square", "cube"] = "linear"
    penalty: Literal["decay", "gradient"] = "decay"
    strength: float = 650.0
    gradient: Literal["kept", "blocked"] = "kept"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cycles < 1:
            raise UserError(f"cycles is {self.cycles}; give a whole number of at least 1")
        if not 0 < self.transformation < 1:
            raise UserError(
                f"transformation is {self.transformation}; it is a share of the draw's steps, above 0 and below 1"
            )
        if self.rate <= 0:
            raise UserError(f"rate is {self.rate}; it is a factor on the peak learning rate, give one above 0")
        if not 0 <= self.ramp <= 1:
            raise UserError(f"ramp is {self.ramp}; it is a share of a transformation, at least 0 and at most 1")
        if self.penalty == "decay" and self.strength < 10:
            raise UserError(
                f"strength is {self.strength:g}; the weights to be removed would keep e^-{self.strength:g} of their "
                "size, give at least 10"
            )
        if self.strength <= 0:
            raise UserError(f"strength is {self.strength:g}; give a penalty above 0")

    def check(self, spec: HostSpec, sparsity: float) -> None:
        """Refuse sparsity 0, too."""
        if not sparsity:
            raise UserError("rst at sparsity 0 transforms nothing; ask for a sparsity above 0 or use dense")
        super().check(spec, sparsity)

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """The transformations, then the training of what is left."""
        length = max(1, round(self.transformation * steps / self.cycles))
        levels = geometric(sparsity, self.cycles)
        events = closing_prunes(length, levels)
        events[0] = (Event(0, "mark", {"levels": levels}), *events[0])
        cycles = [Round(length, events=these, rate=self.rate, schedule="constant") for these in events]
        return [*cycles, Round(max(1, steps - length * self.cycles))]

    # ---- which weights go

    def do_mark(self, training: Training, levels: Sequence[float]) -> None:
        """Choose P of every cycle: `due` holds by weight the cycle that removes it, 0 where none does."""
        scores = SCORERS.make(self.select).scores(training.network, training.source, training.seed, levels[-1])
        kept = [self.allocate(training.network, scores, level) for level in levels]
        training.memory["due"] = {name: _due([masks[name] for masks in kept]) for name in scores}

    @torch.no_grad()
    def do_prune(self, training: Training, sparsity: float) -> None:
        """Note how large the weights still are that go now, and remove them."""
        largest = max(float(w.abs().max()) for w in training.network.weights().values())
        going = max((float((w * gone).abs().max()) for w, gone in self._going(training)), default=0.0)
        training.memory.setdefault("left", []).append(going / largest)
        super().do_prune(training, sparsity)

    def choose(self, training: Training, sparsity: float) -> Masks:
        """All but P of this cycle and of those before it."""
        cycle = _cycle(training)
        return {name: (due == 0) | (due > cycle) for name, due in training.memory["due"].items()}

    def _going(self, training: Training) -> list[tuple[Tensor, Tensor]]:
        """The weights of which this round drives some to zero, each with those marked; none in the last round."""
        cycle, weights = _cycle(training), training.network.weights()

        def found() -> list[tuple[Tensor, Tensor]]:
            marked = ((weights[name], due == cycle) for name, due in training.memory["due"].items())
            return [(weight, gone) for weight, gone in marked if gone.any()]

        return training.kept("going", found)

    # ---- what drives them to zero

    @torch.no_grad()
    def on_gradient(self, training: Training) -> None:
        """Block or penalise the gradient of P."""
        going, grown = self._going(training), self._grown(training.step + 1, training.settings.steps)
        graded = [(weight, weight.grad, gone) for weight, gone in going if weight.grad is not None]
        if self.gradient == "blocked":
            training.aside["held"] = [weight.clone() for weight, _ in going]
            for _, gradient, gone in graded:
                gradient.masked_fill_(gone, 0)
        if self.penalty == "gradient":
            for weight, gradient, gone in graded:
                gradient.add_(gone * weight, alpha=self.strength * grown)

    @torch.no_grad()
    def after_step(self, training: Training) -> None:
        """w_P <- w_P exp(-C u_t), with the w_P from before the optimiser's step where its gradient is blocked."""
        if self.penalty != "decay":
            return
        going = self._going(training)
        held = training.aside.pop("held", [weight for weight, _ in going])
        shares = training.kept("shares", lambda: self.shares(training.settings.steps))
        factor = math.exp(-self.strength * shares[min(training.step, len(shares) - 1)])
        for (weight, gone), before in zip(going, held, strict=True):
            weight.copy_(torch.where(gone, before * factor, weight))

    def _grown(self, step: int, steps: int) -> float:
        """r_t, how far the penalty has grown at a step, of which 1 is the first."""
        return ramp(step, steps, self.ramp) ** LAWS[self.law]

    def shares(self, steps: int) -> list[float]:
        """u_t of every step of a transformation; their sum is 1.

        Example:
            >>> [round(35 * u) for u in RandomSparseTransformation().shares(9)]
            [1, 2, 3, 4, 5, 5, 5, 5, 5]
        """
        grown = [self._grown(step, steps) for step in range(1, steps + 1)]
        return [one / sum(grown) for one in grown]

    def ticket(self, request: Request, training: Training) -> Ticket:
        """What the last training left; its provenance tells what was left of P before each removal."""
        ticket = super().ticket(request, training)
        return replace(ticket, provenance={**ticket.provenance, "left": training.memory["left"]})


def _cycle(training: Training) -> int:
    """The cycle that a training is, of which 1 is the first."""
    number: int = training.memory["round"]
    return number + 1


def _due(kept: Sequence[Tensor]) -> Tensor:
    """The cycle in which each weight goes that the last mask does not keep: the first whose mask does not."""
    due = torch.zeros_like(kept[0], dtype=torch.int16)
    for cycle in range(len(kept), 0, -1):
        due[~kept[cycle - 1]] = cycle
    return due.masked_fill(kept[-1], 0)
