"""What every drawer promises, tried by draws from a small supernet on images told apart by their brightness."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import torch

from tickets.contract import registration
from tickets.contract.brightness import SPEC, Brightness
from tickets.contract.promise import Broken, Contract, Skipped, require
from tickets.contract.watch import (
    Stopping,
    Tally,
    WatchedSource,
    WatchedSpec,
    left_alone,
    other_randomness,
    resumed,
)
from tickets.cost import dense_macs, layer_costs
from tickets.drawers import DRAWERS
from tickets.drawers.base import Drawer, Request
from tickets.errors import UserError
from tickets.hosts.base import HostSpec, features_of
from tickets.patterns import PATTERNS
from tickets.pruning.masks import prunable
from tickets.ticket import Ticket
from tickets.training.checkpoint import Checkpoint
from tickets.training.events import actions
from tickets.training.network import Network
from tickets.training.settings import Settings

SPARSITIES = (0.8, 0.5, 0.75, 0.25)
"""The first one that a drawer can have is tried."""


def settings(steps: int) -> Settings:
    """How networks are trained here."""
    return Settings(steps=steps, learning_rate=0.02, calibration_batches=1)


@cache
def drawn_by(name: str, sparsity: float, steps: int, seed: int = 0, spec: HostSpec = SPEC) -> Ticket:
    """A ticket that others need, drawn once a process."""
    drawer = DRAWERS.make(name)
    given = _given(drawer, sparsity, steps, seed, spec)
    return drawer.draw(Request(spec, Brightness(), settings(steps), sparsity, seed, given))


def _given(drawer: Drawer, sparsity: float, steps: int, seed: int, spec: HostSpec = SPEC) -> dict[str, Ticket]:
    """The tickets that a drawer needs, by role."""
    return {
        need.role: drawn_by(need.drawer, sparsity if need.sparsity is None else need.sparsity, steps, seed, spec)
        for need in drawer.traits.needs
    }


@dataclass(frozen=True)
class Drawn:
    """A draw that was watched.

    Args:
        ticket: what came of it.
        source: what it asked for.
        images: that hosts computed, without those that were only scored.
        saves: how often it could have been interrupted.
        changed: how something that it was given has changed; None where it is as it was.
    """

    ticket: Ticket
    source: WatchedSource
    images: int
    saves: int
    changed: str | None


@dataclass(frozen=True, eq=False)
class Subject:
    """A drawer under test.

    Args:
        name: its registered name.
        drawer: the drawer.
        most: steps of a draw.
        longest: steps that a drawer may make of them; one that makes more is asked for fewer.
    """

    name: str
    drawer: Drawer
    most: int = 10
    longest: int = 30

    @cached_property
    def steps(self) -> int:
        """How many steps a draw is asked to take."""
        target = self.drawer.target(self.sparsity)
        return next((n for n in range(self.most, 1, -1) if self.drawer.steps(n, target) <= self.longest), 1)

    @cached_property
    def sparsity(self) -> float:
        """One that the drawer can have.

        Raises:
            UserError: it cannot draw from the contract's supernet at all.
        """
        for sparsity in SPARSITIES[:-1]:
            try:
                self.drawer.check(SPEC, sparsity)
            except UserError:
                continue
            return sparsity
        self.drawer.check(SPEC, SPARSITIES[-1])
        return SPARSITIES[-1]

    def request(self, sparsity: float, seed: int = 0, checkpoint: Checkpoint | None = None) -> Request:
        """A request for a ticket."""
        given = _given(self.drawer, sparsity, self.steps, seed)
        return Request(SPEC, Brightness(), settings(self.steps), sparsity, seed, given, checkpoint)

    def draw(self, sparsity: float, seed: int = 0) -> Ticket:
        """A ticket."""
        return self.drawer.draw(self.request(sparsity, seed))

    @cached_property
    def drawn(self) -> Drawn:
        """The ticket that most checks look at, drawn under observation."""
        asked, tally, changed = self.request(self.sparsity), Tally(), None
        source, spec = WatchedSource(tally=tally), WatchedSpec.small(tally)
        given = {role: replace(ticket, spec=spec) for role, ticket in asked.given.items()}
        with tempfile.TemporaryDirectory(prefix="ticketbench-") as folder:
            checkpoint = Stopping(Path(folder) / "checkpoint")
            request = replace(asked, spec=spec, source=source, given=given, checkpoint=checkpoint)
            try:
                with left_alone(*given.values()):
                    ticket = self.drawer.draw(request)
            except Broken as reason:
                changed = str(reason)
        if source.hooked:
            changed = "a head of the source still has a hook"
        return Drawn(ticket, source, tally.images, checkpoint.saves, changed)


_CONTRACT: Contract[Subject] = Contract()
CHECKS, promise, verdict, verdicts = _CONTRACT.checks, _CONTRACT.promise, _CONTRACT.verdict, _CONTRACT.verdicts


@promise("what planning knows of it is what it says of itself")
def _facts(subject: Subject) -> str:
    for need in subject.drawer.traits.needs:
        require(need.role, f"it needs a ticket of {need.drawer} in no role")
        require(need.drawer != subject.name, f"it needs a ticket of itself, as its {need.role}")
        DRAWERS.resolve(need.drawer)
    return registration.facts(DRAWERS, subject.name, subject.drawer)


@promise("odd options are refused in a sentence")
def _options(subject: Subject) -> str:
    return registration.options(DRAWERS, subject.name, subject.drawer)


@promise("its rounds and events are in order, and it can do all of them")
def _events(subject: Subject) -> str:
    known, found = actions(subject.drawer), set()
    for steps in (1, 3, subject.steps, 100):
        for sparsity in (0.0, subject.drawer.target(subject.sparsity)):
            rounds = subject.drawer.trainings(steps, sparsity)
            require(rounds, f"it has no training for {steps} steps at sparsity {sparsity:g}")
            for this in rounds:
                at = [event.step for event in this.events]
                require(0 <= this.start <= this.steps, f"a training of {this.steps} steps begins at step {this.start}")
                require(at == sorted(at), f"events of {steps} steps come in the order {at}")
                require(not at or 0 <= at[0] <= at[-1] <= this.steps, f"events of {this.steps} steps come at {at}")
                found |= {event.do for event in this.events}
    wrong = sorted(found - set(known))
    require(not wrong, f"it plans '{', '.join(wrong)}'; its do_ methods are for {', '.join(known)}")
    count = subject.drawer.steps(100, subject.drawer.target(subject.sparsity))
    return f"{', '.join(sorted(found)) or 'no event'}; {count} steps of 100"


@promise("its masks fit the host and keep what was asked for, to the weight")
def _exact(subject: Subject) -> str:
    ticket, drawer = subject.drawn.ticket, subject.drawer
    return _kept(ticket, drawer, drawer.target(subject.sparsity))


def _kept(ticket: Ticket, drawer: Drawer, wanted: float) -> str:
    with torch.device("meta"):
        weights = prunable(SPEC.build(ticket.host.units))
    shapes = ({n: tuple(t.shape) for n, t in group.items()} for group in (ticket.host.masks, weights))
    masks, expected = shapes
    wrong = sorted(n for n in masks.keys() | expected.keys() if masks.get(n) != expected.get(n))
    require(not wrong, f"the mask of '{(wrong or [''])[0]}' does not fit the host")
    types = {str(mask.dtype) for mask in ticket.host.masks.values()}
    require(types == {"torch.bool"}, f"masks are {', '.join(sorted(types))}, not torch.bool")
    judged = ticket.network_masks() if drawer.joint else ticket.host.masks
    said = PATTERNS.make(drawer.pattern).wrong(judged, wanted)
    require(said is None, f"at sparsity {wanted:g}: {said}")
    return f"{ticket.prunable - ticket.kept} of {ticket.prunable} weights are gone at sparsity {wanted:g}"


@promise("at sparsity 0 it keeps everything")
def _whole(subject: Subject) -> str:
    try:
        subject.drawer.check(SPEC, 0.0)
    except UserError as reason:
        raise Skipped(f"it refuses that: {reason}") from reason
    ticket = subject.draw(0.0)
    require(ticket.kept == ticket.prunable, f"{ticket.prunable - ticket.kept} of {ticket.prunable} weights are gone")
    return f"{ticket.kept} weights"


@promise("one request gives one ticket, whatever the global random state")
def _repeatable(subject: Subject) -> str:
    first = subject.drawn.ticket
    with other_randomness():
        again = subject.draw(subject.sparsity)
    require(again.hash == first.hash, f"{_difference(first, again)} when drawn again; draw by tickets.seeding")
    return first.hash[:12]


@promise("another seed gives another ticket")
def _seeds(subject: Subject) -> str:
    first, other = subject.drawn.ticket, subject.draw(subject.sparsity, seed=1)
    same = first.host.raw.keys() == other.host.raw.keys() and all(
        torch.equal(tensor, other.host.raw[name]) for name, tensor in first.host.raw.items()
    )
    require(not same, "seeds 0 and 1 have the same weights; start from request.spec.initial(request.seed)")
    return f"{first.hash[:12]}, {other.hash[:12]}"


def _difference(one: Ticket, other: Ticket) -> str:
    """The first difference between two tickets that should be one."""
    for part in ("host", "head"):
        for kind in ("masks", "raw", "ema", "rewind"):
            a, b = (getattr(getattr(ticket, part), kind) for ticket in (one, other))
            for name in sorted(a.keys() | b.keys()):
                if name not in a or name not in b or not torch.equal(a[name], b[name]):
                    return f"the {part}'s {kind} tensor '{name}' differs"
    told = (key for key in one.provenance if one.provenance[key] != other.provenance.get(key))
    return f"the provenance's '{next(told, 'order')}' differs"


@promise("it leaves alone what it is given")
def _left_alone(subject: Subject) -> str:
    require(subject.drawn.changed is None, subject.drawn.changed or "")
    given = (f"the {need.role}" for need in subject.drawer.traits.needs)
    return ", ".join([*given, "the source's heads, the random states"])


@promise("its ticket is saved and loaded as it was")
def _saved(subject: Subject) -> str:
    ticket = subject.drawn.ticket
    with tempfile.TemporaryDirectory(prefix="ticketbench-") as folder:
        ticket.save(Path(folder) / "ticket")
        back = Ticket.load(Path(folder) / "ticket")
    require(back.hash == ticket.hash, "it has another hash when loaded")
    image = Brightness().batch("contract", 0)["image"]
    for a, b in zip(ticket.build()(image), back.build()(image), strict=True):
        require(torch.equal(a, b), "it computes something else when loaded")
        require(a.isfinite().all(), "its maps are not finite")
    return f"{len(ticket.host.masks)} masks, {len(ticket.host.raw)} tensors"


@promise("interrupted and resumed, it ends as the undisturbed draw")
def _resumed(subject: Subject) -> str:
    drawn = subject.drawn
    again = resumed(lambda at: subject.drawer.draw(subject.request(subject.sparsity, 0, at)), drawn.saves)
    wrong = again.hash != drawn.ticket.hash
    require(not wrong, f"{_difference(drawn.ticket, again)} after an interruption; keep it in training.memory")
    return f"stopped twice in {drawn.saves} steps"


@promise("what it lets hosts compute is counted")
def _counted(subject: Subject) -> str:
    drawn = subject.drawn
    spent = drawn.ticket.provenance["spent"]
    host = drawn.ticket.build("raw")
    with torch.device("meta"):
        network = Network(SPEC.build(drawn.ticket.host.units), Brightness().head(features_of(host)))
    layers = layer_costs(network, Brightness().size)
    forward = dense_macs(layers)
    backward = 2 * dense_macs([one for one in layers if one.name.startswith("host.")])  # heads may be left alone
    images, macs = drawn.images, forward * drawn.images + backward * drawn.source.trained
    require(
        spent["images"] >= images,
        f"hosts computed {images} images, and {spent['images']} are counted; compute in an event, or while "
        "training.meter is on",
    )
    require(
        spent["macs"] >= macs > 0,
        f"{spent['macs']:,} MACs are counted, and {drawn.source.trained} images were trained on and {images} computed, "
        f"which takes at least {macs:,}",
    )
    return f"{spent['images']} images, {spent['macs']:,} MACs, of which {macs:,} at the least"


@promise("nothing is chosen by the test split")
def _untested(subject: Subject) -> str:
    splits = subject.drawn.source.splits
    require(splits <= {"val"}, f"it scores {', '.join(sorted(splits))}; a drawer may look at val alone")
    return f"scored on {', '.join(splits) or 'no split'}"


@promise("its ticket is what its traits say")
def _traits(subject: Subject) -> str:
    traits, ticket = subject.drawer.traits, subject.drawn.ticket
    base = traits.base
    with torch.device("meta"):
        full = Ticket.dense(SPEC).host.units
    before = drawn_by(base, 0.0, subject.steps).host.units if base else full
    require(traits.searches or ticket.host.units == before, "units are gone, and its traits say searches=False")
    require(traits.prunes or ticket.kept == ticket.prunable, "weights are gone, and its traits say prunes=False")
    require(traits.rewinds == bool(ticket.host.rewind), _about_rewinding(traits.rewinds))
    if not (traits.searches or traits.prunes or traits.rewinds):
        raise Skipped("it neither searches nor prunes nor rewinds")
    return ", ".join(name for name in ("searches", "prunes", "rewinds") if getattr(traits, name))


def _about_rewinding(said: bool) -> str:
    if said:
        return "its traits say that tickets keep a rewind point, and this one has none; plan the event 'save'"
    return "its ticket keeps a rewind point, which its traits do not say; give it Traits(rewinds=True)"
