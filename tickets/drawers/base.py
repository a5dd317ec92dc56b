"""How a ticket is drawn: train on the source while events shape the network, then take what is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from tickets.hosts.base import HostSpec
from tickets.hosts.rates import rates, spiked
from tickets.patterns import ELEMENT, PATTERNS
from tickets.pruning.allocation import Allocation
from tickets.pruning.masks import Masks, Semantics, ones, prunable
from tickets.source import Source, initial_head
from tickets.stated import LATER, stated
from tickets.ticket import Ticket, copied, part_of
from tickets.ticket_set import TicketSet
from tickets.training.checkpoint import Checkpoint
from tickets.training.events import Event, known
from tickets.training.loop import Training
from tickets.training.masking import Masking, masking
from tickets.training.method import Method
from tickets.training.network import Network, part_masks
from tickets.training.progress import Progress
from tickets.training.settings import ScheduleName, Settings
from tickets.traits import Traits

BEFORE, AFTER = "val_before_last_prune", "val_after_last_prune"


@dataclass(frozen=True)
class Request:
    """What to draw.

    Args:
        spec: the host to draw from.
        source: the task to draw on.
        settings: how long and how to train.
        sparsity: removed share of the host's prunable weights, in [0, 1).
        seed: of initial weights, head and training.
        given: the tickets that the drawer's traits say it needs, by role.
        checkpoint: what to go on from and to write to; None for none.
        report: told about progress; None for quiet.
    """

    spec: HostSpec
    source: Source
    settings: Settings
    sparsity: float
    seed: int
    given: dict[str, Ticket] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None
    report: Callable[[Progress], None] | None = None


@dataclass(frozen=True)
class Round:
    """One training among the several that a draw may have: from step `start` of `steps`, with events by its own steps.

    One that starts at its last step trains nothing; its events of that step happen.

    Args:
        steps: at which it ends.
        start: its first step.
        events: by its own steps.
        rate: its peak learning rate as a factor on that of the request.
        schedule: of its learning rate, as `Settings` names them; None for that of the request.
    """

    steps: int
    start: int = 0
    events: Sequence[Event] = ()
    rate: float = 1.0
    schedule: ScheduleName | None = None

    def settings(self, whole: Settings) -> Settings:
        """How the round trains, where the draw is asked to train by `whole`."""
        rate, schedule = whole.learning_rate * self.rate, self.schedule or whole.schedule
        return replace(whole, steps=self.steps, learning_rate=rate, schedule=schedule)


@dataclass(frozen=True)
class Drawer(Method):
    """Train dense, then keep the weights of the highest score: a method usually overrides `scores` only.

    Methods that act during training override what `Method` tells of, or `trainings`; such as train no plain masks
    override `masking`.

    Args:
        semantics: what a mask does while training.
        allocation: how sparsity is spread over the layers: "global", "uniform", "erk", "lamp" or "row".
        joint: whether one threshold rules host and head, where the head is pruned too; else each part has
            the sparsity asked for.
        pattern: which weights stay or go together, a name in `tickets.patterns.PATTERNS`.
    """

    semantics: Semantics = Semantics.PROJECTION
    allocation: Allocation = "global"
    joint: bool = False
    pattern: str = field(default=ELEMENT, metadata=LATER)

    def __post_init__(self) -> None:
        PATTERNS.resolve(self.pattern)

    @property
    def traits(self) -> Traits:
        """What planning must know; the default needs nothing but a host."""
        return Traits()

    @property
    def uses(self) -> dict[str, str]:
        """Names of other registries that it uses, by noun."""
        return {"pattern": self.pattern}

    def check(self, spec: HostSpec, sparsity: float) -> None:
        """Refuse before any work starts what cannot be drawn from a host.

        Raises:
            UserError: the pattern does not fit a layer, or cannot have the sparsity.
        """
        self.target(sparsity)
        with torch.device("meta"):
            self._divide(prunable(spec.build()))

    def check_source(self, source: str) -> None:
        """Refuse before any work starts a task that it cannot draw on; by default it draws on all.

        Raises:
            UserError: it cannot draw on this one.
        """

    def _divide(self, weights: Mapping[str, Tensor]) -> None:
        """See that the pattern's groups divide all weights."""
        pattern = PATTERNS.make(self.pattern)
        with torch.device("meta"):
            for name, weight in weights.items():
                pattern.grouping(name, weight.shape)

    def host(self, spec: HostSpec) -> HostSpec:
        """What is drawn from where a host is asked for: by default that one."""
        return spec

    def scores(self, network: Network, source: Source) -> dict[str, Tensor]:
        """Importance of each weight of `network.weights()`, shaped like it; larger is kept.

        The default is magnitude, |w|.
        """
        return {name: w.detach().abs() for name, w in network.weights().items()}

    def events(self, steps: int, sparsity: float) -> Sequence[Event]:
        """What happens when, in order; the default prunes once, after the last step."""
        return last_prune(steps, sparsity)

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """The trainings, in order; the default is one with all `events`.

        Args:
            steps: that the request allows.
            sparsity: that the ticket shall have.
        """
        return [Round(steps, events=self.events(steps, sparsity))]

    def check_events(self, steps: int, sparsity: float) -> None:
        """As every method's, of all trainings; `sparsity` is the one asked for."""
        for this in self.trainings(steps, self.target(sparsity)):
            known(self, this.events, this.steps)

    # ---- what events may do

    def do_evaluate(self, training: Training, label: str) -> None:
        """Score the averaged, recalibrated copy on val and keep it under a label; a measurement."""
        training.measure(label)

    def do_prune(self, training: Training, sparsity: float) -> None:
        """Choose the masks anew at a sparsity."""
        training.set_masks(self.choose(training, sparsity))

    def do_reset(self, training: Training) -> None:
        """Set all masks to ones."""
        training.set_masks(ones(training.network.weights()))

    def do_save(self, training: Training) -> None:
        """Keep the network as it is: the rewind point."""
        training.memory["rewind"] = copied(training.network)

    # ---- how masks are chosen

    def choose(self, training: Training, sparsity: float) -> Masks:
        """Masks for the host, and for a head that holds search blocks, by `scores`."""
        return self.allocate(training.network, self.scores(training.network, training.source), sparsity)

    def allocate(self, network: Network, scores: dict[str, Tensor], sparsity: float) -> Masks:
        """Masks that keep the highest scores; every part has the sparsity, or all of them together."""
        groups = [network.weights()] if self.joint else network.prunable().values()
        pattern = PATTERNS.make(self.pattern)
        masks: Masks = {}
        for names in groups:
            masks |= pattern.masks({name: scores[name] for name in names}, sparsity, self.allocation)
        return masks

    def target(self, sparsity: float) -> float:
        """The sparsity that the ticket will have when `sparsity` is asked for.

        Raises:
            UserError: the pattern cannot have it.
        """
        return PATTERNS.make(self.pattern).target(sparsity) if self.traits.prunes else 0.0

    # ---- the draw

    @property
    def repeats(self) -> bool:
        """Whether a draw gives the same bits again on the same kind of machine; one that goes by a clock does not."""
        return True

    def steps(self, steps: int, sparsity: float) -> int:
        """Optimiser steps of a draw that is given so many, before any network shrinks."""
        return sum(this.steps - this.start for this in self.trainings(steps, sparsity))

    @property
    def count(self) -> int:
        """Tickets that a draw gives: 1, or the members of a set."""
        return 1

    def draw(self, request: Request) -> Ticket | TicketSet:
        """Train and prune on the source; exactly round(sparsity * prunable) weights of the host go.

        Raises:
            UserError: a ticket that the drawer needs was not given, or an event does what is no action of it.
        """
        self.traits.require(request.given, type(self).__name__)
        return self.ticket(request, self.train(request))

    def train(self, request: Request) -> Training:
        """The last training at its end, under its last masks."""
        rounds = list(self.trainings(request.settings.steps, self.target(request.sparsity)))
        checkpoint = request.checkpoint
        memory = checkpoint.state["memory"] if checkpoint and checkpoint.state else {}
        first = memory.get("round", 0)
        training: Training | None = None
        for number in range(first, len(rounds)):
            rounds[number] = self.as_found(rounds[number], memory)
            training = self.begin(request, rounds[number], training)
            if number == first:
                self._divide(training.network.weights())  # `check` knows no head
            training.memory["round"] = number
            if number > first and checkpoint:  # else it would go on from the round before
                checkpoint.save(training.state_dict())
            training.run(checkpoint, _overall(request, rounds, number))
            memory = training.memory
        if training is None:
            raise ValueError(f"{type(self).__name__} plans no round for {request.settings.steps} steps")
        return training

    def as_found(self, planned: Round, memory: Mapping[str, Any]) -> Round:
        """A round, once it is known how those before it went; the default is as planned.

        Args:
            planned: by `trainings`.
            memory: what the rounds before it have left; empty before the first one.
        """
        return planned

    def begin(self, request: Request, this: Round, before: Training | None) -> Training:
        """A round before its first step, or before it goes on from a checkpoint.

        Args:
            request: what is drawn.
            this: the round.
            before: the round before it at its end; None for the first, and for the first one of a resumed draw.
        """
        training = Training(
            network=self.network(request, before),
            source=request.source,
            settings=this.settings(request.settings),
            seed=request.seed,
            method=self,
            events=this.events,
            given=request.given,
            step=this.start,
        )
        if before is not None:
            training.memory, training.scores, training.spent = before.memory, before.scores, before.spent
        return training

    def network(self, request: Request, before: Training | None) -> Network:
        """What a round starts from: the untrained network, then what the round before left, masks included.

        A resumed draw gets the architecture that it had reached.
        """
        if before is not None:
            return before.network
        state = request.checkpoint.state if request.checkpoint else None
        units: dict[str, dict[str, dict[int, int]]] = {"host": {}, "head": {}}
        for name, branches in state["units"].items() if state else ():
            part, _, block = name.partition(".")
            units[part][block] = branches
        host = request.spec.initial(request.seed, units["host"] if state else None)
        head = initial_head(request.source, host, request.seed, units["head"] if state else None)
        network = Network(host, head)
        network.masking = self.masking(network, request)
        return network

    def masking(self, network: Network, request: Request) -> Masking:
        """What masks do in a network that is about to be trained; the default goes by `semantics`."""
        return masking(self.semantics)

    @property
    def lasting_rho(self) -> float:
        """Weight of the search penalty in later trainings of the ticket; 0 for none."""
        return 0.0

    def ticket(self, request: Request, training: Training) -> Ticket:
        """What a training left, as a ticket."""
        return self.packed(request, training, training.averaged())

    def packed(self, request: Request, training: Training, averaged: Network) -> Ticket:
        """A training's network and the averaged copy that it is scored by, as a ticket."""
        network = training.network
        masks = network.masks or ones(network.weights())
        rewind = part_masks(training.memory.get("rewind", {}), "host")
        base = request.given.get("base")
        return Ticket(
            spec=request.spec,
            host=part_of(network.host, averaged.host, part_masks(masks, "host"), rewind),
            head=part_of(network.head, averaged.head, part_masks(masks, "head")),
            provenance={
                "drawer": type(self).__name__,
                "drawer_version": self.version,
                "options": stated(self),
                "source": request.source.name,
                "size": list(request.source.size),
                "sparsity": self.target(request.sparsity),
                "joint": self.joint,
                "lasting_rho": self.lasting_rho,
                "seed": request.seed,
                "settings": request.settings.to_json(),
                "scores": dict(training.scores),
                "spent": training.spent.to_json(),
                "base": base.as_given if base else {"hash": None, "macs": 0},
                **({} if self.pattern == ELEMENT else {"pattern": self.pattern}),
                **_rates(averaged, request.source),
                **_given_beside(request.given),
            },
        )


def trained(request: Request) -> Network:
    """The base that was given, host and head, with the weights that its training ended with; nothing is masked."""
    base = request.given["base"]
    host = base.build("raw")
    head = initial_head(request.source, host, request.seed, base.head.units or None)
    head.load_state_dict(base.head.state("raw"), strict=True)
    return Network(host, head)


def _rates(averaged: Network, source: Source) -> dict[str, Any]:
    """Provenance of a spiking ticket: the rates on val at which its layers are fed spikes."""
    if not spiked(averaged.host):
        return {}
    with rates(averaged.host) as found:
        source.score(averaged, "val")
    return {"rates": dict(found)}


def _given_beside(given: dict[str, Ticket]) -> dict[str, Any]:
    """Provenance of the tickets that were given beside the base."""
    beside = {role: ticket.as_given for role, ticket in given.items() if role != "base"}
    return {"given": beside} if beside else {}


def last_prune(step: int, sparsity: float) -> tuple[Event, ...]:
    """Score, prune, score again: how the last pruning of any method is shown."""
    return (
        Event(step, "evaluate", {"label": BEFORE}),
        Event(step, "prune", {"sparsity": sparsity}),
        Event(step, "evaluate", {"label": AFTER}),
    )


def rewound(network: Network, before: Training | None) -> Network:
    """A fresh network at the rewind point, under the masks of the round before; as it is where there was none."""
    if before is not None:
        network.load_state_dict(before.memory["rewind"])
        network.masks = before.network.masks
    return network


def closing_prunes(step: int, levels: Sequence[float]) -> list[tuple[Event, ...]]:
    """The events of each training that ends with a pruning; the last one is shown before and after."""
    *early, final = levels
    return [*((Event(step, "prune", {"sparsity": level}),) for level in early), last_prune(step, final)]


def _overall(request: Request, rounds: Sequence[Round], number: int) -> Callable[[Progress], None] | None:
    """Reports of one round as those of the whole draw, in the request's steps."""
    if request.report is None:
        return None
    told = request.report
    before = sum(r.steps - r.start for r in rounds[:number])
    total = sum(r.steps - r.start for r in rounds)
    steps = request.settings.steps

    def report(progress: Progress) -> None:
        done = before + progress.step - rounds[number].start
        told(replace(progress, step=round(steps * done / total), steps=steps))

    return report
