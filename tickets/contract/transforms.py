"""What every transform promises, tried on a small ticket with a rewind point; onto a deeper host where it carries
tickets from one host to another."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from tickets.contract import registration
from tickets.contract.brightness import DEEP, DEEPER, SPEC, Brightness
from tickets.contract.drawers import drawn_by, settings
from tickets.contract.promise import Contract, Skipped, require
from tickets.contract.watch import left_alone, other_randomness
from tickets.errors import UserError
from tickets.hosts.base import HostSpec
from tickets.recipes import RECIPES
from tickets.recipes.base import transfer
from tickets.ticket import Ticket
from tickets.transforms import TRANSFORMS
from tickets.transforms.base import Transform

SPARSITY = 0.8


@dataclass(frozen=True, eq=False)
class Subject:
    """A transform under test.

    Args:
        name: its registered name.
        transform: the transform.
        steps: of the draw of the ticket that it is tried on, and of the transfer of what it makes.
    """

    name: str
    transform: Transform
    steps: int = 10

    @property
    def moves(self) -> bool:
        """Whether it carries tickets to another host."""
        return self.transform.traits.draws_from is not None

    @property
    def ticket(self) -> Ticket:
        """What is transformed."""
        return drawn_by("imp", SPARSITY, self.steps, spec=DEEP if self.moves else SPEC)

    @cached_property
    def made(self) -> Ticket:
        """What it makes of the ticket."""
        return self.make(0, DEEPER if self.moves else SPEC)

    def make(self, seed: int, spec: HostSpec) -> Ticket:
        """What it makes of the ticket for a host.

        Raises:
            Skipped: it carries tickets between other hosts than these.
        """
        try:
            return self.transform.onto(self.ticket, seed, spec)
        except UserError as error:
            if self.moves:
                raise Skipped(f"it carries no ticket from one small supernet to a deeper one: {error}") from error
            raise


_CONTRACT: Contract[Subject] = Contract()
CHECKS, promise, verdict, verdicts = _CONTRACT.checks, _CONTRACT.promise, _CONTRACT.verdict, _CONTRACT.verdicts


@promise("what planning knows of it is what it says of itself")
def _facts(subject: Subject) -> str:
    return registration.facts(TRANSFORMS, subject.name, subject.transform)


@promise("odd options are refused in a sentence")
def _options(subject: Subject) -> str:
    return registration.options(TRANSFORMS, subject.name, subject.transform)


@promise("it leaves the ticket and the random states as they were")
def _left_alone(subject: Subject) -> str:
    ticket = subject.ticket
    told = json.dumps(ticket.description, sort_keys=True)
    with left_alone(ticket):
        subject.make(0, subject.made.spec)
    require(json.dumps(ticket.description, sort_keys=True) == told, "the ticket's description has changed")
    return f"{len(ticket.host.masks)} masks, {len(ticket.host.raw)} tensors"


@promise("it makes another ticket, whose files are sound")
def _valid(subject: Subject) -> str:
    made = subject.made
    require(isinstance(made, Ticket), f"it makes a {type(made).__name__}, no Ticket")
    require(made.hash != subject.ticket.hash, "it makes the very ticket that it was given")
    with tempfile.TemporaryDirectory(prefix="ticketbench-") as folder:
        made.save(Path(folder) / "ticket")
        back = Ticket.load(Path(folder) / "ticket")
    require(back.hash == made.hash, "it has another hash when loaded")
    return f"{made.kept} of {made.prunable} weights, {made.hash[:12]}"


@promise("one seed makes one ticket, whatever the global random state")
def _repeatable(subject: Subject) -> str:
    with other_randomness():
        again = subject.make(0, subject.made.spec)
    require(again.hash == subject.made.hash, "it makes another ticket the second time; draw by tickets.seeding")
    other = subject.make(1, subject.made.spec)
    return f"another seed makes {'the same' if other.hash == again.hash else 'another one'}"


@promise("what it makes is of the host that it is to be trained on, whichever it was drawn from")
def _host(subject: Subject) -> str:
    for spec in (SPEC, DEEPER) if subject.moves else (SPEC,):
        made = subject.make(0, spec)
        require(made.spec == spec, f"it makes a ticket of {made.spec}, and of {spec} it was asked for")
        told, gone = made.provenance["sparsity"], made.prunable - made.kept
        require(round(told * made.prunable) == gone, f"the ticket tells a sparsity of {told} and has {made.sparsity}")
    return "drawn from one, made for a shallower and a deeper one" if subject.moves else "the same"


@promise("it is a control or a ticket, as its traits say")
def _control(subject: Subject) -> str:
    ticket, made = subject.ticket, subject.made
    if not subject.transform.traits.is_control:
        return "a ticket, ranked as one of its own"
    if subject.moves:
        again = subject.make(1, made.spec)
        require(again.kept == made.kept, f"a control keeps {made.kept} weights, and of another seed {again.kept}")
        return f"a control of {made.kept} weights, drawn from another host"
    require(made.kept == ticket.kept, f"a control as large as its ticket keeps {ticket.kept} weights, not {made.kept}")
    changed = any(not torch.equal(mask, ticket.host.masks[name]) for name, mask in made.host.masks.items())
    differs = changed or any(not torch.equal(t, ticket.host.raw[name]) for name, t in made.host.raw.items())
    require(differs, "a control that has the masks and the weights of its ticket controls nothing")
    return f"a control of {made.kept} weights, {'other masks' if changed else 'other weights'}"


@promise("what it makes can be transferred, and its pruned weights stay zero")
def _transferred(subject: Subject) -> str:
    made = subject.made
    recipe = "finetune" if made.host.raw else "scratch"
    training = transfer(made, RECIPES.make(recipe), Brightness("toy/brighter"), settings(2), 0)
    training.run()
    host, masks = training.network.host, made.host.masks
    alive = sum(int(host.get_parameter(name)[~mask].count_nonzero()) for name, mask in masks.items())
    require(not alive, f"{alive} pruned weights are not zero after training")
    return f"by {recipe}"
