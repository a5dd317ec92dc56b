"""What every recipe promises, tried by transfers of a small ticket between images told apart by their brightness."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from tickets.contract import registration
from tickets.contract.brightness import SPEC, Brightness
from tickets.contract.drawers import drawn_by, settings
from tickets.contract.promise import Broken, Contract, Skipped, require
from tickets.contract.watch import Stopping, Tally, WatchedSource, WatchedSpec, left_alone, other_randomness, resumed
from tickets.cost import dense_macs, layer_costs
from tickets.drawers import DRAWERS
from tickets.hosts.base import features_of
from tickets.recipes import RECIPES
from tickets.recipes.base import Recipe, transfer
from tickets.search.searchable import live_units
from tickets.source import Source
from tickets.ticket import Ticket
from tickets.training.checkpoint import Checkpoint
from tickets.training.events import actions
from tickets.training.loop import Training
from tickets.training.method import Pass
from tickets.training.network import Network

SPARSITY = 0.8
TARGET = "toy/brighter"


@dataclass(frozen=True)
class Trained:
    """A transfer that was watched.

    Args:
        training: at its end.
        source: what it asked for.
        taught: images that given tickets computed.
        saves: how often it could have been interrupted.
        changed: how something that it was given has changed; None where it is as it was.
    """

    training: Training
    source: WatchedSource
    taught: int
    saves: int
    changed: str | None


@dataclass(frozen=True, eq=False)
class Subject:
    """A recipe under test.

    Args:
        name: its registered name.
        recipe: the recipe.
        steps: of a transfer.
    """

    name: str
    recipe: Recipe
    steps: int = 12

    @property
    def ticket(self) -> Ticket:
        """What is trained; it has a rewind point only where the recipe says that it needs one."""
        return drawn_by("imp" if self.recipe.traits.is_from_rewind else "gmp", SPARSITY, self.steps)

    @property
    def target(self) -> Brightness:
        """What it is trained on."""
        return Brightness() if self.recipe.traits.is_on_source else Brightness(TARGET)

    def given(self, tally: Tally) -> dict[str, Ticket]:
        """The tickets that the recipe says it needs, whose hosts count."""
        found = {}
        for need in self.recipe.traits.needs:
            ticket = drawn_by(need.drawer, SPARSITY if need.sparsity is None else need.sparsity, self.steps)
            told = {**ticket.provenance, "source": self.target.name}
            found[need.role] = replace(ticket, spec=WatchedSpec.small(tally), provenance=told)
        return found

    def training(self, target: Source | None = None, tally: Tally | None = None, seed: int = 0) -> Training:
        """A transfer before its first step."""
        head = "keep" if self.recipe.traits.is_on_source else "fresh"
        given = self.given(tally or Tally())
        return transfer(self.ticket, self.recipe, target or self.target, settings(self.steps), seed, head, given)  # type: ignore[arg-type]  # head is one of the two

    def run(self, checkpoint: Checkpoint | None = None) -> Training:
        """A transfer at its end."""
        training = self.training()
        training.run(checkpoint)
        return training

    @cached_property
    def trained(self) -> Trained:
        """The transfer that most checks look at, under observation."""
        tally, changed = Tally(), None
        source = WatchedSource(self.target.name)
        training = self.training(source, tally)
        with tempfile.TemporaryDirectory(prefix="ticketbench-") as folder:
            checkpoint = Stopping(Path(folder) / "checkpoint")
            try:
                with left_alone(self.ticket, *training.given.values()):
                    training.run(checkpoint)
            except Broken as reason:
                changed = str(reason)
        return Trained(training, source, tally.images, checkpoint.saves, changed)


_CONTRACT: Contract[Subject] = Contract()
CHECKS, promise, verdict, verdicts = _CONTRACT.checks, _CONTRACT.promise, _CONTRACT.verdict, _CONTRACT.verdicts


@promise("what planning knows of it is what it says of itself")
def _facts(subject: Subject) -> str:
    for need in subject.recipe.traits.needs:
        require(need.role, f"it needs a ticket of {need.drawer} in no role")
        DRAWERS.resolve(need.drawer)
    return registration.facts(RECIPES, subject.name, subject.recipe)


@promise("odd options are refused in a sentence")
def _options(subject: Subject) -> str:
    return registration.options(RECIPES, subject.name, subject.recipe)


@promise("its events are in order, and it can do all of them")
def _events(subject: Subject) -> str:
    known, found = actions(subject.recipe), set()
    for steps in (1, subject.steps, 100):
        events = subject.recipe.events(steps, SPARSITY)
        at = [event.step for event in events]
        require(at == sorted(at), f"events of {steps} steps come in the order {at}")
        require(not at or 0 <= at[0] <= at[-1] <= steps, f"events of {steps} steps come at {at}")
        found |= {event.do for event in events}
    wrong = sorted(found - set(known))
    require(not wrong, f"it plans '{', '.join(wrong)}'; its do_ methods are for {', '.join(known) or 'nothing'}")
    return ", ".join(sorted(found)) or "no event"


@promise("it starts from the ticket's architecture, the same for one seed")
def _start(subject: Subject) -> str:
    ticket = subject.ticket
    with left_alone(ticket):
        host, again = (subject.recipe.host(ticket, 0) for _ in range(2))
    expected = {name: tensor.shape for name, tensor in ticket.build("raw").state_dict().items()}
    state, other = host.state_dict(), again.state_dict()
    wrong = sorted(n for n in state.keys() | expected.keys() if n not in state or state[n].shape != expected.get(n))
    require(not wrong, f"'{(wrong or [''])[0]}' is not as in the ticket; build ticket.spec with ticket.host.units")
    require(live_units(host) == dict(ticket.host.units), "it has other units than the ticket")
    differs = [name for name in state if not torch.equal(state[name], other[name])]
    require(not differs, f"one seed gives two '{(differs or [''])[0]}'; draw by tickets.seeding")
    shared = state.keys() & ticket.host.raw.keys()
    own = any(state[n].data_ptr() == ticket.host.raw[n].data_ptr() for n in shared if state[n].numel())
    require(not own, "the host holds the ticket's own tensors, so that training would change it; copy them")
    masks, raw = ticket.host.masks, ticket.host.raw
    same = sum(int((state[name] == raw[name])[mask].sum()) for name, mask in masks.items())
    return f"{same} of {ticket.kept} kept weights are the ticket's"


@promise("its loss is finite, and its gradients reach what it trains")
def _gradients(subject: Subject) -> str:
    training = subject.training()
    batch = next(training.source.batches(0, 1))
    maps, outputs = training.network.train().both(batch["image"])
    loss = subject.recipe.loss(training, Pass(maps, outputs, batch))
    require(loss.shape == (), f"the loss has shape {tuple(loss.shape)}; it must be a scalar")
    require(loss.isfinite(), f"the loss of a fresh head is {loss.item()}")
    loss.backward()
    parts = {"head": True, "host": subject.recipe.trains_host}
    for part, trains in parts.items():
        reached = {n: bool(p.grad is not None and p.grad.any()) for n, p in _named(training.network, part).items()}
        require(any(reached.values()) == trains, _about_gradients(part, trains))
    for name, parameter in training.network.named_parameters():
        require(parameter.grad is None or parameter.grad.isfinite().all(), f"the gradient of '{name}' is not finite")
    return f"loss {loss.item():.4g}, {' and '.join(part for part, trains in parts.items() if trains)}"


def _named(network: Network, part: str) -> dict[str, Tensor]:
    return dict(network.get_submodule(part).named_parameters())


def _about_gradients(part: str, trains: bool) -> str:
    if trains:
        return f"no gradient reaches the {part}"
    return f"gradients reach the {part}, and trains_{part} is False"


@promise("pruned weights are zero when it has trained, and the masks are the ticket's")
def _masked(subject: Subject) -> str:
    network, masks = subject.trained.training.network, subject.ticket.host.masks
    now = {n.removeprefix("host."): mask for n, mask in network.masks.items() if n.startswith("host.")}
    changed = sorted(
        n for n in now.keys() | masks.keys() if n not in now or n not in masks or not torch.equal(now[n], masks[n])
    )
    require(not changed, f"the mask of '{(changed or [''])[0]}' is not the ticket's any more")
    alive = {name: int(network.host.get_parameter(name)[~mask].count_nonzero()) for name, mask in masks.items()}
    name = max(alive, key=lambda name: alive[name])
    require(not alive[name], f"{sum(alive.values())} pruned weights are not zero, {alive[name]} of '{name}'")
    return f"{sum(int((~mask).sum()) for mask in masks.values())} weights"


@promise("it learns the target")
def _learns(subject: Subject) -> str:
    training, fresh = subject.trained.training, subject.training()
    fresh.network.masking.settle(fresh.network)
    before, after = (_loss(one.network, fresh) for one in (fresh, training))
    require(after < before, f"its loss on the target's training images goes from {before:.4g} to {after:.4g}")
    frozen = subject.recipe.trains_host or _unchanged(fresh.network, training.network)
    require(frozen, "trains_host is False, and the host's weights have changed")
    return f"loss from {before:.4g} to {after:.4g} in {subject.steps} steps"


@torch.no_grad()
def _loss(network: Network, told: Training) -> float:
    """What the recipe trains on, which may be another loss than the target's, as where a teacher is imitated.

    The mean over the training batches, batch norms as in training; of a copy, whose statistics move.

    Args:
        network: whose loss it is.
        told: given to the recipe; what it computes is counted there.
    """
    network, found = copy.deepcopy(network).train(), []
    for batch in told.source.batches(0, told.settings.steps):
        maps, outputs = network.both(batch["image"])
        found.append(float(told.method.loss(told, Pass(maps, outputs, batch))))
    return sum(found) / len(found)


def _unchanged(one: Network, other: Network) -> bool:
    return all(torch.equal(p, other.host.get_parameter(name)) for name, p in one.host.named_parameters())


@promise("one request gives one network, whatever the global random state")
def _repeatable(subject: Subject) -> str:
    with other_randomness():
        again = subject.run()
    _same(subject.trained.training, again, "when trained again; draw by tickets.seeding")
    return f"{len(again.network.state_dict())} tensors"


@promise("interrupted and resumed, it ends as the undisturbed training")
def _resumed(subject: Subject) -> str:
    trained = subject.trained
    again = resumed(subject.run, trained.saves)
    _same(trained.training, again, "after an interruption; keep what changes in training.memory")
    require(vars(again.spent) == vars(trained.training.spent), f"{again.spent} is spent, not {trained.training.spent}")
    return f"stopped twice in {trained.saves} steps"


def _same(one: Training, other: Training, when: str) -> None:
    """Refuse two trainings that did not end alike."""
    states: list[Mapping[str, Tensor]] = [{**t.network.state_dict(), **t.ema.values} for t in (one, other)]
    first, second = states
    wrong = [name for name in first if name not in second or not torch.equal(first[name], second[name])]
    require(not wrong, f"'{(wrong or [''])[0]}' differs {when}")


@promise("it leaves alone what it is given")
def _left_alone(subject: Subject) -> str:
    require(subject.trained.changed is None, subject.trained.changed or "")
    return ", ".join(["the ticket", *(f"the {role}" for role in subject.trained.training.given), "the random states"])


@promise("what it lets networks compute is counted")
def _counted(subject: Subject) -> str:
    trained = subject.trained
    training, spent = trained.training, trained.training.spent
    least = training.step_cost.dense * trained.source.trained
    require(spent.macs >= least > 0, f"{spent.macs:,} MACs are counted, and its steps alone take {least:,}")
    with torch.device("meta"):
        host = SPEC.build()
        one = dense_macs(layer_costs(Network(host, Brightness().head(features_of(host))), Brightness().size))
    teachers = one * trained.taught
    require(
        spent.teacher_macs >= teachers,
        f"given tickets computed {trained.taught} images, and {spent.teacher_macs:,} MACs of {teachers:,} are counted; "
        "take them by training.network_of(role)",
    )
    return f"{spent.macs:,} MACs, of which given tickets {spent.teacher_macs:,}"


@promise("it uses the tickets that its traits say it needs")
def _taught(subject: Subject) -> str:
    roles = [need.role for need in subject.recipe.traits.needs]
    if not roles:
        raise Skipped("its traits say that it needs no further ticket")
    require(subject.trained.taught, f"a ticket as {', '.join(roles)} was drawn for it and computes nothing")
    return f"{', '.join(roles)}: {subject.trained.taught} images"


@promise("nothing is chosen by the test split")
def _untested(subject: Subject) -> str:
    splits = subject.trained.source.splits
    require(splits <= {"val"}, f"it scores {', '.join(sorted(splits))}; a recipe may look at val alone")
    return f"scored on {', '.join(splits) or 'no split'}"
