"""What every drawer promises, tried by draws from a small supernet on images told apart by their brightness."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import torch

from tickets.contract import registration
from tickets.contract.brightness import SPEC, TIMED, Brightness
from tickets.contract.promise import Broken, Contract, Skipped, require
from tickets.contract.watch import (
    Stopping,
    Tally,
    WatchedSource,
    WatchedSpec,
    WatchedTimed,
    left_alone,
    other_randomness,
    resumed,
)
from tickets.cost import dense_macs, layer_costs
from tickets.drawers import DRAWERS
from tickets.drawers.base import Drawer, Request
from tickets.errors import UserError
from tickets.hosts.base import HostSpec, features_of, timesteps_of
from tickets.patterns import PATTERNS
from tickets.pruning.masks import prunable
from tickets.ticket import Ticket
from tickets.ticket_set import TicketSet, load, members_of
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
    found = drawer.draw(Request(spec, Brightness(), settings(steps), sparsity, seed, given))
    if isinstance(found, TicketSet):
        raise Broken(f"it needs one ticket, and {name} draws a set; name a drawer of single tickets")
    return found


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
        ticket: what came of it, a set perhaps.
        source: what it asked for.
        images: that hosts computed, without those that were only scored.
        saves: how often it could have been interrupted.
        changed: how something that it was given has changed; None where it is as it was.
    """

    ticket: Ticket | TicketSet
    source: WatchedSource
    images: int
    saves: int
    changed: str | None

    @property
    def members(self) -> tuple[Ticket, ...]:
        """The ticket, or all of the set."""
        return members_of(self.ticket)


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

    @property
    def spec(self) -> HostSpec:
        """What it draws from: a host with time steps where it needs one."""
        return TIMED if self.drawer.traits.lowers_timesteps else SPEC

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
                self.drawer.check(self.spec, sparsity)
            except UserError:
                continue
            return sparsity
        self.drawer.check(self.spec, SPARSITIES[-1])
        return SPARSITIES[-1]

    def request(self, sparsity: float, seed: int = 0, checkpoint: Checkpoint | None = None) -> Request:
        """A request for a ticket."""
        given = _given(self.drawer, sparsity, self.steps, seed, self.spec)
        return Request(self.spec, Brightness(), settings(self.steps), sparsity, seed, given, checkpoint)

    def draw(self, sparsity: float, seed: int = 0) -> Ticket | TicketSet:
        """A ticket, or a set."""
        return self.drawer.draw(self.request(sparsity, seed))

    @cached_property
    def drawn(self) -> Drawn:
        """The ticket that most checks look at, drawn under observation."""
        asked, tally, changed = self.request(self.sparsity), Tally(), None
        source = WatchedSource(tally=tally)
        spec = WatchedTimed.small(tally) if self.spec is TIMED else WatchedSpec.small(tally)
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
    drawer = subject.drawer
    told = [_kept(one, subject, drawer.target(subject.sparsity)) for one in subject.drawn.members]
    return "; ".join(dict.fromkeys(told))


def _kept(ticket: Ticket, subject: Subject, wanted: float) -> str:
    drawer = subject.drawer
    with torch.device("meta"):
        weights = prunable(subject.spec.build(ticket.host.units))
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
        subject.drawer.check(subject.spec, 0.0)
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
    require(again.hash == first.hash, f"{_different(first, again)} when drawn again; draw by tickets.seeding")
    return first.hash[:12]


@promise("another seed gives another ticket")
def _seeds(subject: Subject) -> str:
    first, other = subject.drawn.ticket, subject.draw(subject.sparsity, seed=1)
    same = any(_same_weights(one, its) for one, its in zip(members_of(first), members_of(other), strict=True))
    require(not same, "seeds 0 and 1 have the same weights; start from request.spec.initial(request.seed)")
    return f"{first.hash[:12]}, {other.hash[:12]}"


def _same_weights(one: Ticket, other: Ticket) -> bool:
    return one.host.raw.keys() == other.host.raw.keys() and all(
        torch.equal(tensor, other.host.raw[name]) for name, tensor in one.host.raw.items()
    )


@promise("its members differ, and what they share is counted once")
def _members(subject: Subject) -> str:
    found = subject.drawn.ticket
    if not isinstance(found, TicketSet):
        raise Skipped("it draws single tickets")
    count = len(found.members)
    require(count == subject.drawer.count, f"its count is {subject.drawer.count}, and {count} members are there")
    pairs = list(combinations(range(count), 2))
    same = [pair for pair in pairs if _same_weights(*(found.members[number] for number in pair))]
    require(not same, f"members {same and ' and '.join(map(str, same[0]))} have the same weights")
    each = [one.macs_spent for one in found.members]
    require(max(each) <= found.macs_spent <= sum(each), f"the set spent {found.macs_spent:,} MACs, its members {each}")
    return f"{count} members, {found.macs_spent:,} MACs; {sum(each):,} if each had been drawn alone"


def _different(one: Ticket | TicketSet, other: Ticket | TicketSet) -> str:
    """The first difference between two draws that should be one."""
    pairs = list(zip(members_of(one), members_of(other), strict=True))
    for number, (a, b) in enumerate(pairs):
        if a.hash != b.hash:
            return f"{f'of member {number} ' if len(pairs) > 1 else ''}{_difference(a, b)}"
    return "what the set tells of itself differs"


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
        back = load(Path(folder) / "ticket")
    require(back.hash == ticket.hash, "it has another hash when loaded")
    image = Brightness().batch("contract", 0)["image"]
    for one, its in zip(members_of(ticket), members_of(back), strict=True):
        for a, b in zip(one.build()(image), its.build()(image), strict=True):
            require(torch.equal(a, b), "it computes something else when loaded")
            require(a.isfinite().all(), "its maps are not finite")
    hosts = [one.host for one in members_of(ticket)]
    return f"{sum(len(one.masks) for one in hosts)} masks, {sum(len(one.raw) for one in hosts)} tensors"


@promise("interrupted and resumed, it ends as the undisturbed draw")
def _resumed(subject: Subject) -> str:
    drawn = subject.drawn
    again = resumed(lambda at: subject.drawer.draw(subject.request(subject.sparsity, 0, at)), drawn.saves)
    wrong = again.hash != drawn.ticket.hash
    require(not wrong, f"{_different(drawn.ticket, again)} after an interruption; keep it in training.memory")
    return f"stopped twice in {drawn.saves} steps"


@promise("what it lets hosts compute is counted")
def _counted(subject: Subject) -> str:
    drawn = subject.drawn
    spent = drawn.ticket.provenance["spent"]
    forward, backward = (min(costs) for costs in zip(*map(_least_macs, drawn.members), strict=True))
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


def _least_macs(ticket: Ticket) -> tuple[int, int]:
    """MACs of one image forward through a ticket's architecture and a fresh head, and backward, where heads may be
    left alone."""
    with torch.device("meta"):
        host = ticket.spec.build(ticket.host.units)
        if timesteps_of(host):
            cast(Any, host).timesteps = 1  # drawers lower them
        layers = layer_costs(Network(host, Brightness().head(features_of(host))), Brightness().size)
    return dense_macs(layers), 2 * dense_macs([one for one in layers if one.name.startswith("host.")])


@promise("nothing is chosen by the test split")
def _untested(subject: Subject) -> str:
    splits = subject.drawn.source.splits
    require(splits <= {"val"}, f"it scores {', '.join(sorted(splits))}; a drawer may look at val alone")
    return f"scored on {', '.join(splits) or 'no split'}"


@promise("its ticket is what its traits say")
def _traits(subject: Subject) -> str:
    traits, members = subject.drawer.traits, subject.drawn.members
    require(traits.draws_sets == isinstance(subject.drawn.ticket, TicketSet), _about_sets(traits.draws_sets))
    base = traits.base
    with torch.device("meta"):
        full = Ticket.dense(subject.spec).host.units
    before = drawn_by(base, 0.0, subject.steps, spec=subject.spec).host.units if base else full
    for ticket in members:
        require(traits.searches or ticket.host.units == before, "units are gone, and its traits say searches=False")
        require(traits.prunes or ticket.kept == ticket.prunable, "weights are gone, and its traits say prunes=False")
        require(traits.rewinds == bool(ticket.host.rewind), _about_rewinding(traits.rewinds))
    told = [name for name in ("searches", "prunes", "rewinds", "draws_sets") if getattr(traits, name)]
    if not told:
        raise Skipped("it neither searches nor prunes nor rewinds, and draws single tickets")
    return ", ".join(told)


def _about_sets(said: bool) -> str:
    if said:
        return "its traits say that it draws sets, and this is one ticket; let draw give a TicketSet"
    return "it draws a set, which its traits do not say; give it Traits(draws_sets=True)"


def _about_rewinding(said: bool) -> str:
    if said:
        return "its traits say that tickets keep a rewind point, and this one has none; plan the event 'save'"
    return "its ticket keeps a rewind point, which its traits do not say; give it Traits(rewinds=True)"
