"""How a ticket is drawn: train on the source while events shape the network, then take what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from tickets.events import Action, Event
from tickets.masks import Masks, Semantics, keep_top, ones, prunable
from tickets.network import Network, part_masks
from tickets.progress import Progress
from tickets.seeding import seeded
from tickets.source import Source
from tickets.supernet import Spec, Supernet
from tickets.ticket import Ticket, part_of
from tickets.training import Settings, Training, load_checkpoint

BEFORE, AFTER = "val_before_last_prune", "val_after_last_prune"


@dataclass(frozen=True)
class Request:
    """What to draw.

    Args:
        spec: the supernet to draw from.
        source: the task to draw on.
        settings: how long and how to train.
        sparsity: removed share of the host's prunable weights, in [0, 1).
        seed: of initial weights, head and training.
        checkpoint: file to go on from and to write to; None for none.
        report: told about progress; None for quiet.
    """

    spec: Spec
    source: Source
    settings: Settings
    sparsity: float
    seed: int
    checkpoint: Path | None = None
    report: Callable[[Progress], None] | None = None


@dataclass(frozen=True)
class Drawer:
    """Train dense, then keep the weights of the highest score: a method usually overrides `scores` only.

    Methods that act during training override `events`, `extra_loss` or `semantics` too.
    """

    version: ClassVar[int] = 1
    searches: ClassVar[bool] = False
    semantics: Semantics = Semantics.PROJECTION

    def scores(self, host: nn.Module, source: Source) -> dict[str, Tensor]:
        """Importance of each prunable weight, {weight name: tensor shaped like it}; larger is kept.

        The default is magnitude, |w|.
        """
        return {name: w.detach().abs() for name, w in prunable(host).items()}

    def target(self, sparsity: float) -> float:
        """The sparsity that the ticket will have when `sparsity` is asked for."""
        return sparsity

    def events(self, steps: int, sparsity: float) -> tuple[Event, ...]:
        """What happens when, in order; the default prunes once, after the last step."""
        return last_prune(steps, sparsity)

    def extra_loss(self, request: Request) -> Callable[[Training], Tensor] | None:
        """A term to add to the source's loss while drawing; none by default."""
        return None

    def handle(self, training: Training, event: Event) -> None:
        """Do what an event says."""
        match event.action:
            case Action.EVALUATE:
                source = training.source
                training.scores[event.label] = source.score(training.averaged(), "val")[source.primary]
            case Action.PRUNE:
                training.network.masks = self.choose(training, event.sparsity or 0.0)
                training.masks_changed()
            case Action.RESET:
                training.network.masks = _all_ones(training.network)
                training.masks_changed()
            case _:
                raise ValueError(f"{type(self).__name__} declares the event {event} but does not handle it")

    def choose(self, training: Training, sparsity: float) -> Masks:
        """Masks for the host, and apart for a head that holds search blocks, at the same sparsity."""
        masks: Masks = {}
        for part, weights in training.network.prunable().items():
            module = training.network.get_submodule(part)
            scores = {f"{part}.{n}": s for n, s in self.scores(module, training.source).items()}
            masks |= keep_top({name: scores[name] for name in weights}, sparsity)
        return masks

    def draw(self, request: Request) -> Ticket:
        """Train and prune on the source; exactly round(sparsity * prunable) weights of the host go."""
        sparsity = self.target(request.sparsity)
        training = Training(
            network=self._network(request),
            source=request.source,
            settings=request.settings,
            seed=request.seed,
            events=self.events(request.settings.steps, sparsity),
            handle=self.handle,
        )
        training.extra_loss = self.extra_loss(request)
        training.run(request.checkpoint, request.report)
        return self._ticket(request, training, sparsity)

    def _network(self, request: Request) -> Network:
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

    def _ticket(self, request: Request, training: Training, sparsity: float) -> Ticket:
        network, averaged = training.network, training.averaged()
        masks = network.masks or _all_ones(network)
        return Ticket(
            spec=request.spec,
            host=part_of(network.host, averaged.host, part_masks(masks, "host")),
            head=part_of(network.head, averaged.head, part_masks(masks, "head")),
            provenance={
                "drawer": type(self).__name__,
                "drawer_version": self.version,
                "options": asdict(self),
                "source": request.source.name,
                "sparsity": sparsity,
                "seed": request.seed,
                "settings": asdict(request.settings),
                "scores": dict(training.scores),
                "spent": vars(training.spent).copy(),
            },
        )


def last_prune(step: int, sparsity: float) -> tuple[Event, ...]:
    """Score, prune, score again: how the last pruning of any method is shown."""
    return (
        Event(step, Action.EVALUATE, label=BEFORE),
        Event(step, Action.PRUNE, sparsity=sparsity),
        Event(step, Action.EVALUATE, label=AFTER),
    )


def initial_host(spec: Spec, seed: int, units: Any = None) -> Supernet:
    """The host that all methods at one seed start from."""
    with seeded(seed, "host"):
        return Supernet(spec, units)


def initial_head(source: Source, host: Supernet, seed: int, units: Any = None) -> nn.Module:
    """The head that all methods at one seed put on a source or target."""
    with seeded(seed, "head", source.name):
        return source.head(host.features, units)


def _all_ones(network: Network) -> Masks:
    masks: Masks = {}
    for weights in network.prunable().values():
        masks |= ones(weights)
    return masks
