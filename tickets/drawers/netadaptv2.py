"""Drawer: NetAdaptV2, a super-network by ordered dropout and multi-layer coordinate descent (arXiv 2104.00031)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tickets.cost import layer_costs
from tickets.drawers.base import Drawer, Request, Round
from tickets.errors import UserError
from tickets.hosts.base import HostSpec
from tickets.patterns import PATTERNS
from tickets.search import latency
from tickets.search.descent import TRIES, Architecture, Price, architecture_of, cut, cut_copy, in_macs, proposed
from tickets.search.latency import Found
from tickets.search.ordered import OrderedDropout, drawn
from tickets.seeding import generator
from tickets.ticket import Ticket
from tickets.training.ema import recalibrate
from tickets.training.events import Event
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.training.spent import Cost, Meter
from tickets.traits import Traits

RECALIBRATED = 2
"""Batches by which the batch norms of a proposal are recalibrated."""
NOMINAL = (64, 64)
"""Image size at which planning says how little can be left."""


@dataclass(frozen=True)
class NetAdaptV2(Drawer):
    """Search the units of a supernet after the published description of T.-J. Yang, Y.-L. Liao and V. Sze.

    Published, in abstract and introduction: a super-network is trained by ordered dropout, every image of a batch
    having widths of its own; then a coordinate descent shrinks several layers at once towards a bound on a
    resource that need not be differentiable, scoring samples by the super-network's own weights; depth is width 0
    of a layer that is bypassed; what is found is trained. The code is not to be had. Ours, therefore: the law of
    the widths (uniform over 0 and `widths` equal steps), how many samples and blocks, the shares by which blocks
    shrink, recalibrated batch norms, and that a block of a supernet, which adds to its skip, stands for a
    bypassed layer (its channels are not searched one by one). Bounds fall by R0 r decay^k as NetAdapt's (arXiv
    1804.03230), r such that the last one is the target.

    Counted: ordered dropout as full passes, which it is; of the search, every image that a proposal is
    recalibrated on or scored on, at the proposal's own MACs. A latency is measured on the machine that draws: a
    table of its blocks makes the samples, and the chosen one is made anew until its time is near the bound, its score
    being that of the first. Such a draw does not repeat to the last bit; its ticket says what was measured.

    Args:
        macs_target: share of the host's MACs that the found network may have, in (0, 1).
        latency_target: share of the host's seconds for one image on one thread, instead of MACs; 0 for MACs.
        iterations: of the descent.
        samples: proposals an iteration; 1 takes what comes, without looking at data.
        layers: blocks that a proposal shrinks; 0 for all.
        images: of val that proposals are scored on, the first ones.
        pretrain: share of the steps that train the super-network; the found network gets the rest.
        decay: factor between the bounds' steps, in (0, 1].
        widths: widths above 0 that ordered dropout knows.
        per_image: whether each image has widths of its own, or all of a batch the same.
        bypass: whether a block may lose all units.
    """

    macs_target: float = 0.5
    latency_target: float = 0.0
    iterations: int = 8
    samples: int = 16
    layers: int = 4
    images: int = 256
    pretrain: float = 0.6
    decay: float = 0.96
    widths: int = 4
    per_image: bool = True
    bypass: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("macs_target", "pretrain"):
            if not 0 < getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; give a share above 0 and below 1")
        if not 0 <= self.latency_target < 1:
            raise UserError(f"latency_target is {self.latency_target}; give a share below 1, or 0 for MACs")
        if not 0 < self.decay <= 1:
            raise UserError(f"decay is {self.decay}; give a factor above 0 and at most 1")
        for name in ("iterations", "samples", "images", "widths"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; give a whole number of at least 1")
        if self.layers < 0:
            raise UserError(f"layers is {self.layers}; give how many blocks shrink together, or 0 for all")

    @property
    def traits(self) -> Traits:
        """It searches, and removes no single weight."""
        return Traits(searches=True, prunes=False)

    @property
    def repeats(self) -> bool:
        """Not where it goes by measured seconds."""
        return not self.latency_target

    def check(self, spec: HostSpec, sparsity: float) -> None:
        """There must be as many blocks as shrink together, and a target that something can meet.

        Raises:
            UserError: as told.
        """
        super().check(spec, sparsity)
        with torch.device("meta"):
            host = spec.build()
        there = architecture_of(host)
        if self.layers > len(there):
            raise UserError(
                f"layers is {self.layers}, and the host has {len(there)} search blocks; give 1 to {len(there)}"
            )
        price = in_macs(host, NOMINAL)
        if not self.latency_target:
            self._reachable(price.floor(there, self.bypass) / price.of(there))

    def _reachable(self, least: float) -> None:
        """See that the target is more than what cannot be searched takes, a share."""
        name, what = ("latency_target", "seconds") if self.latency_target else ("macs_target", "MACs")
        if (asked := getattr(self, name)) <= least:
            raise UserError(
                f"{name} is {asked:g}: what cannot be searched takes {least:.1%} of the host's {what}; give "
                "more than that"
            )

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """The super-network's training; the iterations, each a round without steps; the found network's training."""
        first = max(1, round(self.pretrain * steps))
        descent = [Round(first, first, (Event(first, "descend", {"iteration": k}),)) for k in range(self.iterations)]
        return [Round(first), *descent, Round(max(1, steps - first), 0, (Event(0, "cut"),))]

    def begin(self, request: Request, this: Round, before: Training | None) -> Training:
        """With ordered dropout while the super-network trains."""
        training = super().begin(request, this, before)
        if before is not None and "dropout" in before.aside:
            before.aside["dropout"].remove()
        if not this.events:
            self._price(training)  # what cannot be met is refused before it costs a training
            training.aside["dropout"] = OrderedDropout(training.network.host, lambda n: self._widths(training, n))
        return training

    def _widths(self, training: Training, images: int) -> dict[str, Tensor]:
        """The widths of a step's images, a function of seed and step."""
        law = generator(training.seed, "ordered dropout", training.step)
        there = architecture_of(training.network.host)
        found = drawn(there, images if self.per_image else 1, self.widths, self.bypass, law)
        return {name: live.expand(images, -1) for name, live in found.items()}

    # ---- the search

    def do_descend(self, training: Training, iteration: int) -> None:
        """Go from the last architecture to the best of some that meet the next bound.

        Raises:
            UserError: there is none that does.
        """
        memory, price = training.memory, self._price(training)
        path = memory.setdefault("path", [])
        now = Found(**path[-1]["found"]) if path else Found(architecture_of(training.network.host), memory["full"])
        bound = self.bound(memory["full"], iteration)
        made = [self._met(training, now, price, (iteration, j), now.aim(price, bound)) for j in range(self.samples)]
        samples = [one for one in made if one is not None]
        if len(samples) < self.samples:
            raise UserError(
                f"no proposal met the bound in {TRIES} tries at iteration {iteration + 1}; give more layers, or a "
                "larger target."
            )
        scores = [self._score(training, one) for one in samples] if self.samples > 1 else [0.0]
        best = max(range(self.samples), key=lambda j: (scores[j], -price.of(samples[j]), -j))
        if self.latency_target:
            again = partial(self._met, training, now, price, (iteration, best))
            found = latency.fitted(now, samples[best], again, partial(self._measured, training), price, bound)
        else:
            found = Found(samples[best], price.of(samples[best]))
        path.append({"found": dict(vars(found)), "bound": bound, "score": scores[best]})

    def bound(self, full: float, iteration: int) -> float:
        """What an architecture may cost after an iteration, counted from 0."""
        whole = sum(self.decay**k for k in range(self.iterations))
        gone = sum(self.decay**k for k in range(iteration + 1)) / whole
        return full * (1 - (1 - (self.latency_target or self.macs_target)) * gone)

    def _price(self, training: Training) -> Price:
        """Prices, found once."""
        memory, host, size = training.memory, training.network.host, training.source.size
        if "price" not in memory:
            there = architecture_of(host)
            with training.meter.off():
                price = latency.in_time(host, size) if self.latency_target else in_macs(host, size)
            full = price.of(there)
            self._reachable(price.floor(there, self.bypass) / full)
            memory.update({"price": price.to_json(), "full": full})
        return Price(**memory["price"])

    def _met(
        self, training: Training, now: Found, price: Price, place: tuple[int, int], bound: float
    ) -> Architecture | None:
        """The sample of a place, which meets a bound; None where no try does."""
        law = generator(training.seed, "descent", *place)
        tries = (proposed(now.units, price, bound, self.layers, self.bypass, law) for _ in range(TRIES))
        return next((one for one in tries if one is not None), None)

    @staticmethod
    def _measured(training: Training, units: Architecture) -> float:
        """Seconds of the super-network cut to an architecture, by its share of the whole one's, both taken in turn."""
        twin = cut_copy(training.network, units)
        with training.meter.off():
            share = latency.share(twin.host, training.network.host, training.source.size)
        return share * float(training.memory["full"])

    def _score(self, training: Training, units: Architecture) -> float:
        """The primary metric on val of the super-network cut to an architecture; what it computes is counted."""
        twin, source = cut_copy(training.network, units), training.source
        cost = Cost.of(layer_costs(Network(twin.host, twin.head), source.size), {})
        Meter(twin.host, lambda images: training.spent.add(images, cost), is_on=True)
        images = (batch["image"] for batch in source.calibration(RECALIBRATED))
        recalibrate(twin, (image.contiguous(memory_format=torch.channels_last) for image in images))
        return source.score(twin, "val", self.images)[source.primary]

    def do_cut(self, training: Training) -> None:
        """Leave the found network."""
        multiple = PATTERNS.make(self.pattern).multiple
        cut(training.network, training.ema, training.optimizer, training.memory["path"][-1]["found"]["units"], multiple)
        training.masks_changed()

    def packed(self, request: Request, training: Training, averaged: Network) -> Ticket:
        """With what the search found, bound by bound."""
        ticket, path = super().packed(request, training, averaged), training.memory["path"]
        told: dict[str, Any] = {
            "resource": "seconds" if self.latency_target else "macs",
            "full": training.memory["full"],
            "path": [{"bound": one["bound"], "cost": one["found"]["cost"], "score": one["score"]} for one in path],
        }
        return replace(ticket, provenance={**ticket.provenance, "search": told})
