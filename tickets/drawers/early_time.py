"""Drawers: early-time tickets, drawn at fewer time steps than they are deployed at (arXiv 2207.01382)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor

from tickets.drawers.base import Drawer, Request, Round
from tickets.drawers.early_bird import EarlyBird
from tickets.drawers.imp import IterativeMagnitude
from tickets.errors import UserError
from tickets.hosts.base import HostSpec, timesteps_of
from tickets.hosts.spiking import SpikingHost
from tickets.ticket import Ticket
from tickets.training.events import Event, at
from tickets.training.loop import Training
from tickets.training.method import Pass
from tickets.training.network import Network
from tickets.traits import Traits

FEWEST = 10
"""Steps before a probe; after fewer the outputs are noise."""


@dataclass(frozen=True)
class EarlyTime(Drawer):
    """What turns a drawer of several trainings into one at fewer time steps: T' of T, which a probe in the first
    training chooses, in what is left of that and in all others but the last.

    With D_t the divergence between what the network says after t steps and after all T, on some training images, T' is
    the first t with D_t / D_s < threshold, s the smallest candidate, or T where there is none (section 3.3, eq. 1).
    So s itself is never chosen unless nothing differs. The divergence is the source's `imitation`: KL for classes and
    pixels, squared distance of heat maps. The probe comes no later than the rewind point, so that the rewound weights
    are of T' too, as released; its forward passes are counted, T + s + ... + (T - 1) steps an image.

    Args:
        threshold: in (0, 1].
        probe: its place, as a fraction of the first training (2 of 300 epochs); at least 10 steps.
        least: s, the smallest candidate, at least 1.
        images: to compare, at least 1; whole batches (released: 1000).
        reference: which outputs the divergence weighs by, those of t ("short", the paper's KL(P_t || P_T)) or of T.
        scale: what D_t is divided by: D_s ("first") or the largest ("largest", released).
        statistics: of batch norms while they normalise by the probe's batches: "left" as they were, or "moved", as
            released.
        divide: what the loss is scaled to at T': "own" steps, or the "full" T, as released, times T' / T.
        bn: "host" as the host has it, or "step" by step in the drawing, as released.
        shown: time steps that scores around the last pruning are of: the "full" T, or "drawn", as released.
    """

    threshold: float = 0.6
    probe: float = 0.007
    least: int = 2
    images: int = 256
    reference: Literal["short", "full"] = "short"
    scale: Literal["first", "largest"] = "first"
    statistics: Literal["left", "moved"] = "left"
    divide: Literal["own", "full"] = "own"
    bn: Literal["host", "step"] = "host"
    shown: Literal["full", "drawn"] = "full"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.threshold <= 1:
            raise UserError(
                f"threshold is {self.threshold:g}; a normalised divergence is at most 1, give a number in (0, 1]"
            )
        if not 0 < self.probe < 1:
            raise UserError(f"probe is {self.probe:g}; it is a fraction of the first training, above 0 and below 1")
        for name in ("least", "images"):
            if (value := getattr(self, name)) < 1:
                raise UserError(f"{name} is {value}; give a whole number of at least 1")

    @property
    def traits(self) -> Traits:
        """It needs a host with time steps."""
        return replace(super().traits, lowers_timesteps=True)

    def check(self, spec: HostSpec, sparsity: float) -> None:
        """As every drawer's, and there must be time steps to lower."""
        with torch.device("meta"):
            steps = timesteps_of(spec.build())
        if steps is None:
            raise UserError(
                f"early-time tickets need a host with time steps, and one of the kind {spec.kind} has none; use "
                "spiking/tiny"
            )
        if steps <= self.least:
            raise UserError(
                f"early-time tickets have nothing to lower: the host runs {steps} time steps, and candidates start at "
                f"{self.least}; use one of at least {self.least + 1}"
            )
        super().check(spec, sparsity)

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """The same, with the probe in the first and fewer time steps in all but the last."""
        first, *middle, last = super().trainings(steps, sparsity)
        rewinds = (event.step for event in first.events if event.do == "save" and event.step)
        probe = min(max(FEWEST, at(self.probe, first.steps)), min(rewinds, default=first.steps))
        events = sorted([Event(probe, "probe"), *first.events], key=lambda event: event.step)
        lowered = (replace(this, events=(Event(this.start, "lower"), *this.events)) for this in middle)
        return [replace(first, events=events), *lowered, last]

    def network(self, request: Request, before: Training | None) -> Network:
        """The same, with batch norms that see each step by itself where that is asked for."""
        network = super().network(request, before)
        if self.bn == "step":
            _host(network).bn = "step"
        return network

    def loss(self, training: Training, seen: Pass) -> Tensor:
        """The same, at T' divided by T where that is asked for."""
        loss = super().loss(training, seen)
        told = training.memory.get("timesteps")
        return loss * (_host(training.network).timesteps / told["full"]) if told and self.divide == "full" else loss

    def do_probe(self, training: Training) -> None:
        """Choose T' and go on with it."""
        full = _host(training.network).timesteps
        found = self.divergences(training, full)
        drawn = enough(found, full, self.threshold, self.scale)
        told = {str(steps): value for steps, value in found.items()}
        training.memory["timesteps"] = {"full": full, "drawn": drawn, "divergences": told}
        self.do_lower(training)

    def do_lower(self, training: Training) -> None:
        """Go on at T'; at T where the first training ended before the probe."""
        if told := training.memory.get("timesteps"):
            _run_at(training, told["drawn"])

    def do_evaluate(self, training: Training, label: str) -> None:
        """As every drawer's, at T unless asked otherwise."""
        told = training.memory.get("timesteps")
        with _lent(training, told["full"]) if told and self.shown == "full" else _lent(training):
            super().do_evaluate(training, label)

    def divergences(self, training: Training, full: int) -> dict[int, float]:
        """D_t by t, of all candidates."""
        count = math.ceil(self.images / training.source.batch_size)
        with _lent(training):
            outputs = {steps: self._outputs(training, steps, count) for steps in (*range(self.least, full), full)}
        return {steps: self._mean(training, said, outputs[full]) for steps, said in outputs.items() if steps < full}

    def _mean(self, training: Training, short: list[Any], full: list[Any]) -> float:
        """Of all batches; `imitation` weighs by the teacher's outputs."""
        found = []
        for said, told, batch in zip(short, full, training.source.calibration(len(full)), strict=True):
            outputs, teacher = (said, told) if self.reference == "full" else (told, said)
            found.append(float(training.source.imitation(outputs, teacher, batch)))
        return sum(found) / len(found)

    @torch.no_grad()
    def _outputs(self, training: Training, steps: int, count: int) -> list[Any]:
        """What the network says after so many time steps, batch by batch."""
        _run_at(training, steps)
        network = training.network if self.statistics == "moved" else training.network.effective()
        network.train()
        with training.autocast():
            return [network(batch["image"]) for batch in training.source.calibration(count)]

    def ticket(self, request: Request, training: Training) -> Ticket:
        """The same; its provenance tells T' and what the probe saw."""
        ticket = super().ticket(request, training)
        return replace(ticket, provenance={**ticket.provenance, "timesteps": training.memory.get("timesteps")})


@dataclass(frozen=True)
class EarlyTimeRewinding(EarlyTime, IterativeMagnitude):
    """Iterative magnitude pruning with rewinding, at T' time steps but for the last training."""


@dataclass(frozen=True)
class EarlyTimeBird(EarlyTime, EarlyBird):
    """The early bird's search at T' time steps, and the training of what it finds at T."""


def enough(divergences: Mapping[int, float], full: int, threshold: float, scale: str = "first") -> int:
    """T': the first candidate whose divergence is a small enough share of the first one, or of the largest.

    Args:
        divergences: from what is said after `full` steps, by steps in rising order.
        full: T, chosen where none is small enough.
        threshold: of the share.
        scale: "first" or "largest".

    Example:
        >>> enough({2: 1.0, 3: 0.5}, 4, 0.6), enough({2: 1.0, 3: 0.7}, 4, 0.6), enough({2: 0.0, 3: 0.0}, 4, 0.6)
        (3, 4, 2)
    """
    values = list(divergences.values())
    whole = values[0] if scale == "first" else max(values)
    if not whole:
        return next(iter(divergences))
    return next((steps for steps, value in divergences.items() if value / whole < threshold), full)


def _host(network: Network) -> SpikingHost:
    """Its host; `check` saw that there are time steps."""
    return cast(SpikingHost, network.host)


def _run_at(training: Training, steps: int) -> None:
    """Let the network run so many time steps, and cost as much."""
    _host(training.network).timesteps = steps
    training.masks_changed()


@contextmanager
def _lent(training: Training, steps: int | None = None) -> Iterator[None]:
    """Run at other time steps within the block, and at those of now after it."""
    before = _host(training.network).timesteps
    if steps is not None and steps != before:
        _run_at(training, steps)
    try:
        yield
    finally:
        if _host(training.network).timesteps != before:
            _run_at(training, before)
