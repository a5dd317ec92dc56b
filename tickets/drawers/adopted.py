"""Drawer: a ticket that lies in a file, somebody else's perhaps, taken as it is; nothing on it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tickets.cache import cache_folder
from tickets.drawers.base import Drawer, Request, Round
from tickets.errors import UserError
from tickets.hosts.base import HostSpec
from tickets.patterns import ELEMENT, PATTERNS
from tickets.source import initial_head
from tickets.ticket import Ticket
from tickets.ticket_set import single
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.traits import Traits
from tickets.weights import DIGITS, KEPT


@dataclass(frozen=True)
class Adopted(Drawer):
    """A finished ticket, as `bench.adopt` makes one of a checkpoint, in the place of a drawn one.

    Its masks and weights are the file's. The head has its first weights, so that the score on the source is one of
    chance; the averaged weights' batch norms are recalibrated on the source, which is counted. What its drawing cost is
    what the file tells, and unknown where its owner does not state it.

    Args:
        file: either file of the ticket; identities state it by its content, "sha256-" and digits.
    """

    file: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "file", settled(self.file))

    @property
    def traits(self) -> Traits:
        """It needs a file."""
        return Traits(needs_file=not self.file)

    def check(self, spec: HostSpec, sparsity: float) -> None:
        """The file is a ticket of this host and of exactly this sparsity.

        Raises:
            UserError: there is no such file, or it is of another host or sparsity; says which to give.
        """
        ticket = self._ticket()
        if ticket.spec != spec:
            told = ticket.provenance.get("host") or ticket.spec.to_json()
            raise UserError(f"the ticket {self.file} is of the host {told}; give that one by --host.")
        pattern = PATTERNS.make(ticket.provenance.get("pattern", ELEMENT))
        if pattern.wrong(ticket.host.masks, sparsity):
            exact = ticket.provenance["sparsity"]
            raise UserError(
                f"the ticket {self.file} has the sparsity {exact!r}, and {sparsity:g} was asked for; give --sparsity "
                f"{exact!r}, which other drawers can have, too."
            )

    def check_source(self, source: str) -> None:
        """The task is the one that the ticket was drawn on, where that is known."""
        told = self._ticket().provenance.get("source")
        if told not in (None, source):
            raise UserError(f"the ticket {self.file} was drawn on {told}, and not on {source}; give --source {told}.")

    def _ticket(self) -> Ticket:
        if not self.file:
            raise UserError("a ticket that was drawn elsewhere needs its file; give --drawer adopted@file=TICKET.")
        return _kept(self.file)

    def trainings(self, steps: int, sparsity: float) -> Sequence[Round]:
        """One of no steps."""
        return [Round(steps, steps)]

    def network(self, request: Request, before: Training | None) -> Network:
        """The ticket's host under its masks, with a head that nobody trained."""
        self.check(request.spec, request.sparsity)
        ticket = self._ticket()
        host = ticket.build("raw").train()
        masks = {f"host.{name}": mask for name, mask in ticket.host.masks.items()}
        return Network(host, initial_head(request.source, host, request.seed), masks)

    def packed(self, request: Request, training: Training, averaged: Network) -> Ticket:
        """The ticket, telling what it was made from, and its pattern."""
        found, own = super().packed(request, training, averaged), self._ticket()
        told: dict[str, Any] = {"given": {"file": own.as_given}}
        pattern = own.provenance.get("pattern")
        return found.with_provenance(**told, **({"pattern": pattern} if pattern else {}))


def settled(file: str) -> str:
    """A ticket's file by its content: a verified copy is kept in the user's cache, whatever becomes of the path.

    Args:
        file: either file of a ticket, or what this function made of one; empty for none.

    Raises:
        UserError: it is no ticket, a damaged one, or a set.
    """
    if not file or file.startswith(KEPT):
        return file
    ticket = single(Path(file).expanduser(), "a drawer takes")
    copy = kept_folder() / ticket.hash / "ticket"
    if not copy.with_suffix(".json").is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        ticket.save(copy)
    return f"{KEPT}{ticket.hash[:DIGITS]}"


def kept_folder() -> Path:
    """Where copies of such tickets lie, each in a folder named by its hash; it may not exist yet."""
    return cache_folder() / "tickets"


def _kept(name: str) -> Ticket:
    digits = name.removeprefix(KEPT)
    found = sorted(kept_folder().glob(f"{digits}*/ticket.safetensors")) if digits.isalnum() else []
    if not found:
        raise UserError(
            f"no ticket whose SHA-256 begins with {digits} is known here, in {kept_folder()}; give it once by its "
            "file, as in --drawer adopted@file=TICKET, which keeps a copy there."
        )
    return _loaded(found[0], found[0].stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _loaded(path: Path, changed: int) -> Ticket:
    ticket = Ticket.load(path)
    if ticket.hash != path.parent.name:
        raise UserError(f"{path} does not have the SHA-256 of its folder's name: it is another ticket, so delete it.")
    return ticket
