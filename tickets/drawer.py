"""How a ticket is drawn: train on the source while events shape the network, then take what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from tickets.allocation import allocate
from tickets.events import Action, Event
from tickets.host import HostSpec
from tickets.masks import Masks, Semantics, ones
from tickets.network import Network, part_masks
from tickets.progress import Progress
from tickets.seeding import seeded
from tickets.source import Source
from tickets.ticket import Ticket, copied, part_of
from tickets.training import Settings, Training, load_checkpoint
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
        base: the ticket that the drawer starts from, where its traits name one.
        checkpoint: file to go on from and to write to; None for none.
        report: told about progress; None for quiet.
    """

    spec: HostSpec
    source: Source
    settings: Settings
    sparsity: float
    seed: int
    base: Ticket | None = None
    checkpoint: Path | None = None
    report: Callable[[Progress], None] | None = None


@dataclass(frozen=True)
class Drawer:
    """Train dense, then keep the weights of the highest score: a method usually overrides `scores` only.

    Methods that act during training override `events`, `extra_loss` or `semantics` too.

    Args:
        semantics: what a mask does while training.
        allocation: how sparsity is spread over the layers: "global", "uniform" or "erk".
        joint: whether one threshold rules host and head, where the head is pruned too; else each part has
            the sparsity asked for.
    """

    version: ClassVar[int] = 1
    semantics: Semantics = Semantics.PROJECTION
    allocation: Literal["global", "uniform", "erk"] = "global"
    joint: bool = False

    @property
    def traits(self) -> Traits:
        """What planning must know; the default needs nothing but a host."""
        return Traits()

    def scores(self, network: Network, source: Source) -> dict[str, Tensor]:
        """Importance of each weight of `network.weights()`, shaped like it; larger is kept.

        The default is magnitude, |w|.
        """
        return {name: w.detach().abs() for name, w in network.weights().items()}

    def events(self, steps: int, sparsity: float) -> tuple[Event, ...]:
        """What happens when, in order; the default prunes once, after the last step."""
        return last_prune(steps, sparsity)

    def extra_loss(self, request: Request) -> Callable[[Training], Tensor] | None:
        """A term to add to the source's loss while drawing; none by default."""
        return None

    def lasting_rho(self, settings: Settings) -> float:
        """Weight of the search penalty in later trainings of the ticket; 0 for none."""
        return 0.0

    def handle(self, training: Training, event: Event) -> None:
        """Do what an event says."""
        match event.action:
            case Action.EVALUATE:
                source = training.source
                training.scores[event.label] = source.score(training.averaged(), "val")[source.primary]
            case Action.PRUNE:
                self.set_masks(training, self.choose(training, event.sparsity or 0.0))
            case Action.RESET:
                self.set_masks(training, all_ones(training.network))
            case Action.SAVE:
                training.memory["rewind"] = copied(training.network)
            case _:
                raise ValueError(f"{type(self).__name__} declares the event {event} but does not handle it")

    def choose(self, training: Training, sparsity: float) -> Masks:
        """Masks for the host, and for a head that holds search blocks, by `scores`."""
        return self.allocate(training.network, self.scores(training.network, training.source), sparsity)

    def allocate(self, network: Network, scores: dict[str, Tensor], sparsity: float) -> Masks:
        """Masks that keep the highest scores; every part has the sparsity, or all of them together."""
        groups = [network.weights()] if self.joint else network.prunable().values()
        masks: Masks = {}
        for names in groups:
            masks |= allocate({name: scores[name] for name in names}, sparsity, self.allocation)
        return masks

    def set_masks(self, training: Training, masks: Masks) -> None:
        """Put masks in force."""
        training.network.masks = masks
        training.masks_changed()

    def target(self, sparsity: float) -> float:
        """The sparsity that the ticket will have when `sparsity` is asked for."""
        return sparsity if self.traits.prunes else 0.0

    def steps(self, steps: int, sparsity: float) -> int:
        """Optimiser steps of a draw that is given so many, before any network shrinks."""
        return steps

    def draw(self, request: Request) -> Ticket:
        """Train and prune on the source; exactly round(sparsity * prunable) weights of the host go."""
        return self.ticket(request, self.train(request))

    def train(self, request: Request) -> Training:
        """The training at its end, under its last masks."""
        training = Training(
            network=self.network(request),
            source=request.source,
            settings=request.settings,
            seed=request.seed,
            events=self.events(request.settings.steps, self.target(request.sparsity)),
            handle=self.handle,
            extra_loss=self.extra_loss(request),
        )
        training.run(request.checkpoint, request.report)
        return training

    def network(self, request: Request) -> Network:
        """The untrained network, or one of the architecture that an interrupted draw had reached."""
        units: dict[str, dict[str, dict[int, int]]] = {"host": {}, "head": {}}
        resumed = request.checkpoint is not None and request.checkpoint.exists()
        if resumed:
            for name, kernels in load_checkpoint(request.checkpoint)["units"].items():
                part, _, block = name.partition(".")
                units[part][block] = kernels
        host = initial_host(request.spec, request.seed, units["host"] if resumed else None)
        head = initial_head(request.source, host, request.seed, units["head"] if resumed else None)
        return Network(host, head, semantics=self.semantics)

    def ticket(self, request: Request, training: Training) -> Ticket:
        """What a training left, as a ticket."""
        network, averaged = training.network, training.averaged()
        masks = network.masks or all_ones(network)
        rewind = {k.removeprefix("host."): t for k, t in training.memory.get("rewind", {}).items() if k[:5] == "host."}
        base = request.base
        return Ticket(
            spec=request.spec,
            host=part_of(network.host, averaged.host, part_masks(masks, "host"), rewind),
            head=part_of(network.head, averaged.head, part_masks(masks, "head")),
            provenance={
                "drawer": type(self).__name__,
                "drawer_version": self.version,
                "options": asdict(self),
                "source": request.source.name,
                "size": list(request.source.size),
                "sparsity": self.target(request.sparsity),
                "joint": self.joint,
                "lasting_rho": self.lasting_rho(request.settings),
                "seed": request.seed,
                "settings": asdict(request.settings),
                "scores": dict(training.scores),
                "spent": vars(training.spent).copy(),
                "base": {"hash": base and base.hash, "macs": base.macs_spent if base else 0},
            },
        )


def last_prune(step: int, sparsity: float) -> tuple[Event, ...]:
    """Score, prune, score again: how the last pruning of any method is shown."""
    return (
        Event(step, Action.EVALUATE, label=BEFORE),
        Event(step, Action.PRUNE, sparsity=sparsity),
        Event(step, Action.EVALUATE, label=AFTER),
    )


def initial_host(spec: HostSpec, seed: int, units: Any = None) -> nn.Module:
    """The host that all methods at one seed start from."""
    with seeded(seed, "host"):
        return spec.build(units)


def initial_head(source: Source, host: nn.Module, seed: int, units: Any = None, width: int | None = None) -> nn.Module:
    """The head that all methods at one seed put on a source or target."""
    with seeded(seed, "head", source.name):
        return source.head(host.features, units, width)


def all_ones(network: Network) -> Masks:
    """Masks that keep every prunable weight."""
    return ones(network.weights())
