"""The one training loop, for drawing and for transfer alike."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

from tickets import whole
from tickets.blocks import Units
from tickets.cost import LayerCost, dense_macs, layer_costs, sparse_macs
from tickets.ema import Ema, recalibrate
from tickets.events import Event
from tickets.masks import Masks, Semantics, project, sparsity_of
from tickets.network import Network
from tickets.optimisation import Schedule, optimizer
from tickets.progress import Progress
from tickets.seeding import seeded
from tickets.source import Batch, Source
from tickets.supernet import live_units

CHECKPOINT_EVERY_S = 30.0


@dataclass(frozen=True)
class Settings:
    """How long and how a network is trained; part of a job's identity.

    Args:
        steps: optimiser steps, at least 1.
        learning_rate: its peak.
        weight_decay: L2 factor on convolution and linear weights, masked ones included.
        optimizer: "adam", or "rmsprop" as TensorFlow has it (decay and momentum 0.9).
        eps: the optimiser's, beside the second moment's root (adam) or inside it (rmsprop).
        schedule: of the learning rate: "onecycle" (cosine, 30 % up), "staircase" or "multistep".
        decay: the factor of each fall of a staircase or multistep schedule.
        falls: when it falls, in fractions of all steps: at each multiple of the one number of a staircase, at
            each of the numbers of a multistep.
        warmup: fraction of all steps in which a staircase or multistep rises linearly from half its peak.
        ema_decay: nominal decay per update; the warm-up rule rules in short runs.
        calibration_batches: training batches over which BN statistics are recomputed before scoring.
        rho: weight of the search penalty, for drawers that search.
        equal: what `steps` is worth: "steps" trains just so many; "macs" trains until the executed training
            MACs are those of so many steps of the full dense network, so that smaller networks train longer.
        precision: "float32", or "bfloat16" for the forward pass under autocast.
        compiled: whether the network runs through `torch.compile`.
    """

    steps: int
    learning_rate: float
    weight_decay: float = 1e-5
    optimizer: Literal["adam", "rmsprop"] = "adam"
    eps: float = 1e-8
    schedule: Literal["onecycle", "staircase", "multistep"] = "onecycle"
    decay: float = 0.1
    falls: tuple[float, ...] = ()
    warmup: float = 0.0
    ema_decay: float = 0.9999
    calibration_batches: int = 10
    rho: float = 0.0
    equal: Literal["steps", "macs"] = "steps"
    precision: Literal["float32", "bfloat16"] = "float32"
    compiled: bool = False


class DivergedError(RuntimeError):
    """The loss stopped being a number."""


@dataclass
class Spent:
    """Executed work so far.

    `macs` counts, per training image, the forward pass once and twice more for the layers that are
    trained; per recalibration image the forward pass; for scorers what they say. Dense as executed (the
    architecture of the moment); `sparse_macs` counts only kept weights. Scoring on val or test is
    measurement and is not counted.
    """

    macs: int = 0
    sparse_macs: int = 0
    images: int = 0

    def add(self, images: int, cost: Cost) -> None:
        """Count some images at a cost each."""
        self.images += images
        self.macs += images * cost.dense
        self.sparse_macs += images * cost.sparse


@dataclass(frozen=True)
class Cost:
    """MACs for one image, of all weights and of the kept ones."""

    dense: int
    sparse: int

    @classmethod
    def of(cls, layers: Sequence[LayerCost], masks: Masks) -> Cost:
        """What some layers cost under these masks."""
        return cls(dense_macs(layers), sparse_macs(layers, masks))

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.dense + other.dense, self.sparse + other.sparse)


@dataclass
class Training:
    """A network in training: everything that changes from step to step.

    Args:
        network: trained in place.
        source: batches and loss.
        settings: how.
        seed: of the randomness inside the network (dropout).
        events: what happens when, in order of steps.
        handle: called for each event as handle(training, event).
        extra_loss: a term added to the loss, as a function of the training; None for none.
        full_macs: forward MACs of one image through the full network, by which "equal macs" measures; None
            for those of `network` itself.
        step: optimiser steps done, which is also the number of the next batch.
        memory: what the drawer wants to find again after an interruption; tensors and plain values.
    """

    network: Network
    source: Source
    settings: Settings
    seed: int
    events: tuple[Event, ...] = ()
    handle: Callable[[Training, Event], None] = lambda training, event: None
    extra_loss: Callable[[Training], Tensor] | None = None
    full_macs: int | None = None
    step: int = 0
    memory: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)

    def __post_init__(self) -> None:
        device = self.source.device
        self.network.to(device=device, memory_format=torch.channels_last)
        self.network.masks = {name: mask.to(device) for name, mask in self.network.masks.items()}
        self.ema = Ema(self.network, self.settings.ema_decay ** (self.source.batch_size / 4096))
        self.optimizer = optimizer(self.network, self.settings)
        self.wrapper = OptimWrapper(self.optimizer)
        self.schedule = Schedule(self.optimizer, self.settings)
        self.layers: list[LayerCost] = []
        self._units: Mapping[str, Units] | None = None
        self._forward = torch.compile(self.network) if self.settings.compiled else self.network
        self.masks_changed()
        self._used = self.step * self._worth
        self._fired = sum(event.step <= self.step for event in self.events)
        self.schedule.advance(int(self.clock))

    def masks_changed(self) -> None:
        """Bring weights and costs in line with new masks or a new architecture; to be called after either."""
        if self.network.semantics is Semantics.PROJECTION:
            project(self.network, self.network.masks)
        if self._units != (units := live_units(self.network)):
            self._units = units
            self.layers = layer_costs(Network(self.network.host, self.network.head), self.source.size)
        trained = [layer for layer in self.layers if self._is_trained(layer)]
        self.forward_cost = Cost.of(self.layers, self.network.masks)
        backward = Cost.of(trained, self.network.masks)
        self.step_cost = self.forward_cost + backward + backward
        self.full_macs = self.full_macs or self.forward_cost.dense

    def _is_trained(self, layer: LayerCost) -> bool:
        return self.network.get_submodule(layer.name).weight.requires_grad

    @property
    def _worth(self) -> int:
        """What one step takes off the budget, and what the whole budget is counted in."""
        return self.step_cost.dense if self.settings.equal == "macs" else 3 * self.full_macs

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

    def run(self, checkpoint: Path | None = None, report: Callable[[Progress], None] | None = None) -> None:
        """Train to the last step; goes on from the file `checkpoint` where it exists.

        Args:
            checkpoint: written about twice a minute, under a temporary name, then renamed.
            report: called about three times a second.

        Raises:
            DivergedError: the loss is not finite.
        """
        with seeded(self.seed, "training"):
            if checkpoint is not None and checkpoint.exists():
                self.load_state_dict(load_checkpoint(checkpoint))
            saved = told = time.monotonic()
            for batch in self._batches():
                loss = self._step(batch)
                now = time.monotonic()
                if now - told > 0.3 or self.clock >= self.settings.steps:
                    told = now
                    self._tell(float(loss), report)
                if checkpoint is not None and now - saved > CHECKPOINT_EVERY_S:
                    saved = now
                    save_checkpoint(checkpoint, self.state_dict())

    def _batches(self) -> Iterator[Batch]:
        """The batches that are still to be trained on."""
        if self.settings.equal == "steps":
            yield from self.source.batches(self.step, self.settings.steps)
            return
        batches = self.source.batches(self.step, None)
        while self.clock < self.settings.steps:
            yield next(batches)

    def _step(self, batch: Batch) -> Tensor:
        """One optimiser step, then the events whose time has come; returns the task's loss."""
        self.network.train()
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        low = self.settings.precision == "bfloat16"
        with torch.autocast(image.device.type, torch.bfloat16, enabled=low):
            outputs = self._forward(image)
        loss = self.source.loss(outputs.float() if low else outputs, batch)
        total = loss if self.extra_loss is None else loss + self.extra_loss(self)
        self.wrapper.update_params(total)
        if self.network.semantics is Semantics.PROJECTION:
            project(self.network, self.network.masks)
        self.ema.update(self.network)
        self.spent.add(len(image), self.step_cost)
        self.step += 1
        self._used += self._worth
        self.schedule.advance(int(self.clock))
        while self._fired < len(self.events) and self.events[self._fired].step <= self.clock:
            self._fired += 1
            self.handle(self, self.events[self._fired - 1])
        return loss.detach()

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
        twin = self.ema.copy_of(self.network)
        batches = self.source.calibration(self.settings.calibration_batches)
        images = (batch["image"].contiguous(memory_format=torch.channels_last) for batch in batches)
        self.spent.add(recalibrate(twin, images), self.forward_cost)
        return twin

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs to go on bit by bit; tensors and plain values only."""
        names = {p: name for name, p in self.network.named_parameters()}
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
            "full_macs": self.full_macs,
            "fired": self._fired,
            "memory": self.memory,
            "scores": self.scores,
            "spent": vars(self.spent),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; the network must have been built with its `units`."""
        self.network.load_state_dict(state["network"], strict=True)
        self.network.to(memory_format=torch.channels_last)
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
        self.memory, self.scores, self.spent = state["memory"], state["scores"], Spent(**state["spent"])
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        self.masks_changed()


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state, whole or not at all.

    Raises:
        CannotWriteError: the disk does not take it.
    """
    data = io.BytesIO()
    torch.save(state, data)
    whole.write(path, data.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state in a checkpoint; only tensors and plain values are accepted."""
    return torch.load(path, weights_only=True)
