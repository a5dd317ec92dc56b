"""The one training loop, for drawing and for transfer alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tickets.cost import LayerCost, layer_costs
from tickets.errors import unknown
from tickets.hosts.base import timesteps_of
from tickets.pruning.masks import Masks, sparsity_of
from tickets.search.searchable import live_units
from tickets.seeding import seeded
from tickets.source import Batch, Source
from tickets.ticket import Ticket
from tickets.training import devices, grad_checkpointing, ranks
from tickets.training.checkpoint import LEAVING, Checkpoint
from tickets.training.ema import Ema, recalibrate
from tickets.training.events import Event, known
from tickets.training.method import Method, Pass
from tickets.training.network import Network
from tickets.training.optimisation import optimizer
from tickets.training.progress import Progress
from tickets.training.schedule import Schedule
from tickets.training.settings import Settings
from tickets.training.spent import Cost, Meter, Spent

Kept = TypeVar("Kept")


class DivergedError(RuntimeError):
    """The loss stopped being a number."""


@dataclass
class Training:
    """A network in training: everything that changes from step to step.

    Args:
        network: trained in place.
        source: batches and loss.
        settings: how.
        seed: of the randomness inside the network (dropout).
        method: rides on it.
        events: what happens when, in order of steps.
        given: the tickets that the job was given, by role.
        full_macs: forward MACs of one image through the full network, by which equal MACs measure; 0 for those of
            `network` itself.
        step: optimiser steps done, which is also the number of the next batch. A training that begins later has not
            had the events before it.
        is_stopped: whether it is over before its last step, as `stop` says.
        memory: what the method wants to find again after an interruption; tensors and plain values.
        aside: what it can make anew; not in checkpoints.

    Raises:
        UserError: an event does what is no action of the method, or would not happen at its step.
    """

    network: Network
    source: Source
    settings: Settings
    seed: int
    method: Method = field(default_factory=Method)
    events: Sequence[Event] = ()
    given: Mapping[str, Ticket] = field(default_factory=dict)
    full_macs: int = 0
    step: int = 0
    is_stopped: bool = False
    memory: dict[str, Any] = field(default_factory=dict)
    aside: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)

    def __post_init__(self) -> None:
        self._actions = known(self.method, self.events, self.settings.steps)
        device = self.source.device
        self.network.to(device).to(memory_format=torch.channels_last)
        self.network.masks = {name: mask.to(device) for name, mask in self.network.masks.items()}
        decay = self.settings.ema_decay ** (self.source.batch_size / 4096)
        self.ema = Ema(self.network, decay, self.settings.average_from)
        self.optimizer = optimizer(self.network, self.settings)
        self.schedule = Schedule(self.optimizer, self.settings)
        self.layers: list[LayerCost] = []
        self._kept: dict[str, Any] = {}
        self._architecture: Any = None
        self._forward = torch.compile(self.network.both) if self.settings.compiled else self.network.both
        self.meter = Meter(self.network.host, lambda images: self.spent.add(images, self.forward_cost))
        self.masks_changed()
        self._used = self.step * 3 * self.full_macs
        self._images = self._taught = 0
        self._fired = sum(event.step < self.step for event in self.events)
        self.due = 0
        self.schedule.advance(int(self.clock))
        self._given: dict[str, Network] = {}

    def network_of(self, role: str) -> Network:
        """The network of a ticket that the job was given: averaged weights, frozen; what it computes is counted.

        Raises:
            UserError: no ticket was given in this role, or its head does not fit the source.
        """
        if role not in self._given:
            if role not in self.given:
                raise unknown("role of a given ticket", role, self.given)
            self._given[role] = self.given[role].network(self.source).requires_grad_(False)
            self._count(self._given[role])
        return self._given[role]

    def _count(self, network: Network) -> None:
        """Have all that a given network computes added to the spent work."""
        cost = Cost.of(layer_costs(network, self.source.size), network.masks)

        def count(images: int) -> None:
            self.spent.add(images, cost)
            self.spent.teacher_macs += images * cost.dense
            self._taught += images * self._paid(cost)

        Meter(network.host, count, is_on=True)

    def autocast(self) -> torch.autocast:
        """The precision of the settings, for what is computed beside the network, such as a teacher's outputs."""
        return torch.autocast(self.source.device.type, torch.bfloat16, enabled=self.settings.is_low)

    def masks_changed(self) -> None:
        """Bring weights and costs in line with new masks or a new architecture; to be called after either."""
        self._kept.clear()
        self.ema.rebind()
        self.network.masking.bind(self.network)
        self.network.masking.settle(self.network)
        if self._architecture != (architecture := _architecture(self.network.host, self.network.head)):
            self._architecture = architecture
            self.layers = layer_costs(Network(self.network.host, self.network.head), self.source.size)
        self._price()
        self.full_macs = self.full_macs or self.forward_cost.dense

    def kept(self, what: str, make: Callable[[], Kept]) -> Kept:
        """Something that depends on masks and architecture: made once, and anew when those have changed."""
        if what not in self._kept:
            self._kept[what] = make()
        found: Kept = self._kept[what]
        return found

    def _price(self) -> None:
        """What an image and a step cost under the masks of now."""
        trained = [layer for layer in self.layers if self.network.trains(layer.name)]
        self.forward_cost = Cost.of(self.layers, self.network.masks)
        to_input = Cost.of(trained, self.network.masks)
        learning = [layer for layer in trained if not layer.is_fixed]
        self.gradient_cost = Cost.of(learning, {} if self.network.masking.reaches else self.network.masks)
        self.step_cost = self.forward_cost + to_input + self.gradient_cost

    def set_masks(self, masks: Masks) -> None:
        """Put masks in force."""
        self.network.masks = masks
        self.masks_changed()

    @property
    def _worth(self) -> int:
        """What one step takes off the budget, in MACs of an image and given tickets apart."""
        return 3 * self.full_macs if self.settings.equal == "steps" else self._paid(self.step_cost)

    def _paid(self, cost: Cost) -> int:
        """What some work takes off the budget: its MACs of the kind that the budget counts, if it counts any."""
        return {"steps": 0, "macs": cost.dense, "sparse": cost.sparse}[self.settings.equal]

    def _take(self, worth: int) -> None:
        """Take something off the budget."""
        self._used += worth
        self.schedule.advance(int(self.clock))

    def whole_gradient(self) -> None:
        """Count the gradient of this step as computed for masked weights, too: called by an event that looks at it.

        Dense MACs hold it anyway; to sparse ones, and to a budget of those, it adds what they leave out of it.
        """
        beyond = Cost(0, self.gradient_cost.dense - self.gradient_cost.sparse)
        self.spent.sparse_macs += self._images * beyond.sparse
        self._take(self._paid(beyond))

    @property
    def clock(self) -> float:
        """How far the training is, in steps of the full network: 0 to `settings.steps`.

        Where steps are equal it is the number of steps done.
        """
        return self._used / (3 * self.full_macs)

    @property
    def sparsity(self) -> float:
        """Removed share of the host's weights."""
        return sparsity_of({n: m for n, m in self.network.masks.items() if n.startswith("host.")})

    def stop(self) -> None:
        """Let this training end after the events of this step; to be called by one of them."""
        self.is_stopped = True

    def run(self, checkpoint: Checkpoint | None = None, report: Callable[[Progress], None] | None = None) -> None:
        """Train to the last step, or until it is stopped; goes on from the checkpoint where that holds a state.

        Args:
            checkpoint: written about twice a minute.
            report: called about three times a second.

        Raises:
            DivergedError: the loss is not finite.
            Left: the process was asked to end, and the checkpoint is written.
        """
        waits = nullcontext() if checkpoint is None else LEAVING.training()
        with seeded(self.seed, "training"), waits:
            if checkpoint is not None and (state := checkpoint.take()):
                self.load_state_dict(state)
                checkpoint.fits()
            self._fire()
            told = time.monotonic()
            for batch in self._batches():
                if self.is_stopped:
                    break
                loss = self._step(batch)
                now = time.monotonic()
                if now - told > 0.3 or self.clock >= self.settings.steps:
                    told = now
                    self._tell(float(loss), report)
                if checkpoint is not None and checkpoint.is_due:
                    checkpoint.save(self.state_dict())

    def _batches(self) -> Iterator[Batch]:
        """The batches that are still to be trained on."""
        if self.settings.equal == "steps":
            yield from self.source.batches(self.step, self.settings.steps)
            return
        batches = self.source.batches(self.step, None)
        while self.clock < self.settings.steps:
            yield next(batches)

    def _step(self, batch: Batch) -> Tensor:
        """One optimiser step, then the events whose time has come; returns the loss. `Method` tells the order."""
        if not all(module.training for module in self.kept("modules", lambda: list(self.network.modules()))):
            self.network.train()
        cost, worth, self._taught = self.step_cost, self._worth, 0
        parts = _parts(batch, self.settings.accumulate)
        losses = [self._passed(part, len(part["image"]) / len(batch["image"])) for part in parts]
        with self.meter.on():
            ranks.mean_gradients(self.network.parameters())
            self.method.on_gradient(self)
            self.optimizer.step()
            self.method.after_step(self)
        self.network.masking.settle(self.network)
        if self.network.masking.chooses:
            self._price()
        self.ema.update(self.network)
        self._images = len(batch["image"])
        self.spent.add(self._images, cost)
        self.step += 1
        self._take(worth + self._taught // self._images)  # what given tickets computed is paid for by fewer steps
        self._fire()
        self.optimizer.zero_grad()
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _passed(self, batch: Batch, share: float) -> Tensor:
        """Forward and backward pass of a part of a step's batch; the loss, detached, by its share."""
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        blocks = self.kept("blocks", lambda: grad_checkpointing.blocks(self.network))
        with self.autocast(), grad_checkpointing.within(blocks):
            maps, outputs = ranks.shared(self._forward, image)
        with self.meter.on():
            loss = self.method.loss(self, Pass(maps, outputs.float() if self.settings.is_low else outputs, batch))
            loss = loss if share == 1 else loss * share
            loss.backward()
        return loss.detach()

    def _fire(self) -> None:
        """Do what the events say whose time has come; ranks must have come to the same."""
        before = self._fired
        while self._fired < len(self.events) and self.events[self._fired].step <= self.clock:
            event = self.events[self._fired]
            self._fired += 1
            self.due = event.step
            with self.meter.on():
                self._actions[event.do](self, **event.to)
        if self._fired > before:
            ranks.agree("masks and weights", (*self.network.masks.values(), *self.network.state_dict().values()))

    def _tell(self, loss: float, report: Callable[[Progress], None] | None) -> None:
        if not loss - loss == 0:
            raise DivergedError(
                f"the loss became {loss} at step {self.step} of {self.settings.steps}; lower the learning rate "
                f"({self.settings.learning_rate})"
            )
        if report is not None:
            metric = next(reversed(self.scores.values()), None)
            report(Progress(int(self.clock), self.settings.steps, loss, metric, self.sparsity))

    def averaged(self) -> Network:
        """A copy with averaged weights x masks and recalibrated batch norms, in eval mode."""
        with self.meter.on():
            twin = self.ema.copy_of(self.network)
            batches = self.source.calibration(self.settings.calibration_batches)
            recalibrate(twin, (batch["image"].contiguous(memory_format=torch.channels_last) for batch in batches))
        return twin

    def measure(self, label: str) -> None:
        """Score the averaged network on val and keep the primary metric under a label; nothing is chosen by it."""
        twin = self.averaged()
        with self.meter.off():
            self.scores[label] = self.source.score(twin, "val")[self.source.primary]

    def gradients(self, batches: int, network: Network | None = None) -> Iterator[tuple[dict[str, Tensor], Batch]]:
        """Gradients of the source's loss on calibration batches, one after the other; the training is left as it was.

        Args:
            batches: how many.
            network: run in the mode that it is in; None for a copy of the network of now, m*w, in eval mode.

        Yields:
            The gradient with respect to each prunable weight, by name, zero where the loss does not depend on it; and
            the batch.
        """
        twin = network or self.network.effective()
        weights = twin.weights()
        for batch in self.source.calibration(batches):
            with torch.enable_grad():
                loss = self.source.loss(twin(batch["image"]), batch)
            found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, materialize_grads=True)
            yield dict(zip(weights, found, strict=True)), batch

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs to go on bit by bit; tensors and plain values only."""
        names: dict[Tensor, str] = {p: name for name, p in self.network.named_parameters()}
        return {
            "units": live_units(self.network),
            "network": self.network.state_dict(),
            "masks": self.network.masks,
            "moments": {names[p]: state for p, state in self.optimizer.state.items()},
            "groups": [{k: v for k, v in g.items() if k != "params"} for g in self.optimizer.param_groups],
            "schedule": self.schedule.state_dict(),
            "ema": self.ema.values,
            "ema_updates": self.ema.updates,
            "step": self.step,
            "used": self._used,
            "stopped": self.is_stopped,
            "timesteps": timesteps_of(self.network.host),
            "full_macs": self.full_macs,
            "fired": self._fired,
            "memory": self.memory,
            "scores": self.scores,
            "spent": dict(vars(self.spent)),  # which goes on being counted when the last state is kept
            "rng": torch.get_rng_state(),
            "cuda_rng": [] if (own := devices.random_state(self.source.device)) is None else [own],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; the network must have been built with its `units`."""
        _take_over(self.network, state["network"])
        self.network.masks = state["masks"]
        parameters = dict(self.network.named_parameters())
        for name, moments in state["moments"].items():
            self.optimizer.state[parameters[name]] = moments
        for group, saved in zip(self.optimizer.param_groups, state["groups"], strict=True):
            group.update(saved)
        self.schedule.load_state_dict(state["schedule"])
        self.ema.values, self.ema.updates = state["ema"], state["ema_updates"]
        self.step, self._used, self._fired = state["step"], state["used"], state["fired"]
        self.full_macs = state["full_macs"]
        self.is_stopped = state.get("stopped", False)
        if steps := state.get("timesteps"):
            self.network.host.timesteps = steps
        self.memory, self.scores, self.spent = state["memory"], state["scores"], Spent(**state["spent"])
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] and self.source.device.type != "cpu":
            devices.set_random_state(self.source.device, state["cuda_rng"][-1])
        self.masks_changed()


def _parts(batch: Batch, count: int) -> list[Batch]:
    """A batch in so many consecutive parts, as even as can be."""
    if count == 1:
        return [batch]
    cut = {name: values.tensor_split(count) for name, values in batch.items()}
    return [{name: parts[number] for name, parts in cut.items()} for number in range(count)]


def _architecture(*parts: nn.Module) -> list[Any]:
    """What layer costs depend on: live units, and how often a host repeats its layers, where it does."""
    return [(live_units(part), timesteps_of(part)) for part in parts]


@torch.no_grad()
def _take_over(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give a network the saved tensors themselves, strides included, which choose the kernel of some convolutions.

    Parameters keep their identity, so that the optimiser still has them.
    """
    own = network.state_dict(keep_vars=True)
    if own.keys() != state.keys():
        raise ValueError(f"the checkpoint is another network's: they differ in {sorted(own.keys() ^ state.keys())[:3]}")
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            raise ValueError(f"the checkpoint is another network's: {name} is {list(state[name].shape)} there")
        tensor.data = state[name].to(tensor.device)
