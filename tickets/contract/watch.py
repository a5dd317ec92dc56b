"""Watching a member at work: what it reads, computes and leaves behind, and that it can be stopped."""

from __future__ import annotations

import pickle
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tickets.contract.brightness import SPEC, TIMED, Brightness
from tickets.contract.promise import Skipped, require
from tickets.hosts.spiking import SpikingHost, SpikingSpec
from tickets.hosts.supernet import Spec, Supernet
from tickets.search.searchable import Units
from tickets.seeding import libraries_seeded
from tickets.source import Batch
from tickets.stated import ELSEWHERE
from tickets.ticket import Ticket
from tickets.training.checkpoint import Checkpoint, DamagedCheckpointWarning

T = TypeVar("T")


@dataclass
class Tally:
    """Images that hosts have computed, copies of them included; scoring them by the source's metric does not count."""

    images: int = 0
    scores: bool = False

    def on(self, host: nn.Module) -> None:
        """Count what a host and its copies compute from now on."""

        def seen(module: nn.Module, inputs: tuple[Any, ...], maps: Any) -> None:
            if not self.scores and inputs[0].device.type != "meta":
                self.images += len(inputs[0])

        host.register_forward_hook(seen)


@dataclass(frozen=True)
class WatchedSpec(Spec):
    """A supernet that counts what its hosts compute; tickets cannot tell it from its like."""

    tally: Tally = field(default_factory=Tally, compare=False, metadata=ELSEWHERE)

    @classmethod
    def small(cls, tally: Tally) -> WatchedSpec:
        """The supernet of the contracts."""
        return cls(SPEC.stem, SPEC.stages, SPEC.expansion, SPEC.norm, SPEC.initial_std, tally)

    def build(self, units: Mapping[str, Units] | None = None) -> Supernet:
        """The supernet, counted."""
        host = super().build(units)
        self.tally.on(host)
        return host


@dataclass(frozen=True)
class WatchedTimed(SpikingSpec):
    """A host of several time steps that counts what its hosts compute."""

    tally: Tally = field(default_factory=Tally, compare=False, metadata=ELSEWHERE)

    @classmethod
    def small(cls, tally: Tally) -> WatchedTimed:
        """The one of the contracts."""
        return cls(**{f.name: getattr(TIMED, f.name) for f in fields(TIMED)}, tally=tally)

    def build(self, units: Mapping[str, Units] | None = None) -> SpikingHost:
        """The host, counted."""
        host = super().build(units)
        self.tally.on(host)
        return host


@dataclass
class WatchedSource(Brightness):
    """A source that notes which splits are scored, the heads that it gives and the batches that it hands out."""

    tally: Tally = field(default_factory=Tally)
    splits: set[str] = field(default_factory=set)
    heads: list[nn.Module] = field(default_factory=list)
    trained: int = 0

    def head(self, features: list[tuple[int, int]], units: Any = None, width: int | None = None) -> nn.Module:
        """A head, noted."""
        self.heads.append(super().head(features, units, width))
        return self.heads[-1]

    def batches(self, start: int, stop: int | None) -> Iterator[Batch]:
        """Training batches, counted."""
        for batch in super().batches(start, stop):
            self.trained += len(batch["image"])
            yield batch

    def score(self, network: nn.Module, split: str, limit: int | None = None) -> dict[str, float]:
        """A score, noted."""
        self.splits.add(split)
        self.tally.scores = True
        try:
            return super().score(network, split, limit)
        finally:
            self.tally.scores = False

    @property
    def hooked(self) -> bool:
        """Whether a head that it gave still has a hook."""
        return any(has_hooks(head) for head in self.heads)


def has_hooks(module: nn.Module) -> bool:
    """Whether something is called whenever the module or a part of it is run."""
    return any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in module.modules())


@contextmanager
def left_alone(*tickets: Ticket, state: Mapping[str, Tensor] | None = None) -> Iterator[None]:
    """See that a block leaves tickets, further tensors and all global random states as they are.

    Raises:
        Broken: it does not; says what has changed.
    """
    named = {f"the {kind} tensor '{name}' of a given ticket": t for one in tickets for kind, name, t in _tensors(one)}
    named |= {f"'{name}'": tensor for name, tensor in (state or {}).items()}
    before = {name: tensor.detach().clone() for name, tensor in named.items()}
    wanted = {name: tensor.requires_grad for name, tensor in named.items()}
    randomness = _randomness()
    yield
    for name, tensor in named.items():
        require(torch.equal(tensor, before[name]), f"{name} has other values than before")
        require(tensor.grad is None and tensor.requires_grad == wanted[name], f"{name} is left with a gradient")
    for library, now in _randomness().items():
        require(now == randomness[library], f"the random state of {library} has changed; use tickets.seeding")
    require(torch.is_grad_enabled(), "gradients are left switched off")


def _tensors(ticket: Ticket) -> Iterator[tuple[str, str, Tensor]]:
    for part in (ticket.host, ticket.head):
        for kind in ("masks", "raw", "ema", "rewind"):
            for name, tensor in getattr(part, kind).items():
                yield kind, name, tensor


def _randomness() -> dict[str, bytes]:
    """The global random states, by library."""
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": pickle.dumps(np.random.get_state()),
        "random": repr(random.getstate()).encode(),
    }


def other_randomness() -> AbstractContextManager[None]:
    """Run a block under global random states that nobody has chosen, then put them back."""
    return libraries_seeded(5, "contract")


class Interrupted(Exception):
    """The work was stopped, as by a kill."""


class Stopping(Checkpoint):
    """A checkpoint that is due after every step and that stops the work when it has been written so often.

    Args:
        path: of the file.
        after: how often; None for never, and nothing is written.
    """

    def __init__(self, path: Path, after: int | None = None) -> None:
        super().__init__(path)
        self.after, self.saves = after, 0

    @property
    def is_due(self) -> bool:
        """Always."""
        return True

    def save(self, state: dict[str, Any]) -> None:
        """Count; write and stop where it is time.

        Raises:
            Interrupted: it is.
        """
        self.saves += 1
        if self.saves == self.after:
            super().save(state)
            raise Interrupted


def resumed(work: Callable[[Checkpoint], T], saves: int) -> T:
    """What some work ends as when it is stopped twice on its way, and goes on from its checkpoint each time.

    Args:
        work: told the checkpoint to go on from and to write to.
        saves: how often the undisturbed work could have written it.

    Raises:
        Skipped: it never writes one.
        DamagedCheckpointWarning: it could not go on from what it had written.
    """
    if not saves:
        raise Skipped("it trains nothing, so there is nothing to go on from")
    with tempfile.TemporaryDirectory(prefix="ticketbench-") as folder, warnings.catch_warnings():
        warnings.simplefilter("error", DamagedCheckpointWarning)
        path = Path(folder) / "checkpoint"
        for _ in range(2):
            try:
                return work(Stopping(path, max(1, saves // 3)))
            except Interrupted:
                pass
        return work(Checkpoint(path))
