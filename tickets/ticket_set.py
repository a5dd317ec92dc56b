"""Ticket sets: tickets of one host that predict together; saved, verified and named as one thing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from tickets import atomic, bounded
from tickets.errors import DamagedTicketError, UserError, short
from tickets.hosts.base import HostSpec
from tickets.pruning.masks import Masks
from tickets.seeding import derive
from tickets.source import Source
from tickets.ticket import LARGEST_DOCUMENT, Drawn, Ticket, canonical, digest, read_document, stem_of
from tickets.training.ensemble import Ensemble

FORMAT = 1
LEAST = 2
"""Members of a set: a single network is a ticket."""
SUMS = ("parameters", "macs", "sparse_macs", "estimated_macs")


@dataclass(frozen=True)
class TicketSet(Drawn):
    """At least two tickets of one host, drawn on one task, whose outputs are merged.

    Args:
        members: in their order, which counts.
        provenance: plain values, as a ticket's; `spent` is that of all members, what they share counted once.

    Raises:
        UserError: there are fewer, or they differ in their host or their task.
    """

    suffix: ClassVar[str] = ".json"
    """Of the file whose hash is the set's."""

    members: tuple[Ticket, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.members) < LEAST:
            raise UserError(
                f"a ticket set has at least {LEAST} members and got {len(self.members)}; a single network is a ticket."
            )
        first = self.members[0]
        for number, other in enumerate(self.members):
            if other.spec != first.spec or other.provenance.get("source") != first.provenance.get("source"):
                raise UserError(
                    f"member {number} of the ticket set was drawn from another host or on another task than member 0; "
                    "put tickets of one host and one task together."
                )

    @property
    def spec(self) -> HostSpec:
        """The host that all members were drawn from."""
        return self.members[0].spec

    @property
    def kept(self) -> int:
        """Host weights that the masks of all members keep."""
        return sum(one.kept for one in self.members)

    @property
    def prunable(self) -> int:
        """Prunable host weights of all members."""
        return sum(one.prunable for one in self.members)

    @property
    def sparsity(self) -> float:
        """Removed / prunable weights of all members, in [0, 1)."""
        return (self.prunable - self.kept) / self.prunable

    @cached_property
    def remaining(self) -> float:
        """Kept host weights of all members / weights of one full host; at most their number."""
        return sum(one.remaining for one in self.members)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the set's description, which states the members' hashes in their order."""
        return digest(self.description)

    def costs(self, size: tuple[int, int]) -> dict[str, float | int]:
        """Parameters and MACs of all members' hosts for one (3, H, W) input, as `Ticket.costs` has them."""
        each = [one.costs(size) for one in self.members]
        return {name: sum(costs[name] for costs in each) for name in SUMS}

    def network(self, source: Source) -> Ensemble:
        """The averaged members with their source heads: what the set's source score belongs to.

        Raises:
            UserError: a head does not fit the source.
        """
        return Ensemble([one.network(source) for one in self.members], source.merge).eval()

    def network_masks(self) -> Masks:
        """The masks of all members as the `Ensemble` names them."""
        return Ensemble.named([one.network_masks() for one in self.members])

    @property
    def description(self) -> dict[str, Any]:
        """What the JSON file states."""
        hashes = [one.hash for one in self.members]
        return {"format": FORMAT, "members": hashes, "provenance": json.loads(canonical(dict(self.provenance)))}

    def save(self, path: Path) -> str:
        """Write the members as `path`.m0, `path`.m1 and so on, each two files, then `path`.json; returns the hash.

        Raises:
            CannotWriteError: the disk does not take one of them.
        """
        for number, member in enumerate(self.members):
            member.save(member_path(path, number))
        document = {"set": self.description, "sha256": self.hash}
        atomic.write(path.with_name(f"{path.name}.json"), canonical(document))
        return self.hash

    @classmethod
    def load(cls, path: Path | str) -> TicketSet:
        """Read and verify a set and each of its members; `path` is as `save` takes it, or names the JSON file.

        Raises:
            DamagedTicketError: a file is missing, damaged, foreign or of another set; says which check.
        """
        stem = stem_of(path)
        file = stem.with_name(f"{stem.name}.json")
        if not file.is_file():
            raise DamagedTicketError(f"the set's file {file} does not exist; it tells which members the set has.")
        told = _described(file)
        members = tuple(_member(stem, number, wanted) for number, wanted in enumerate(told["members"]))
        try:
            return cls(members, told["provenance"])
        except UserError as error:
            raise DamagedTicketError(f"{file} is no ticket set's description: {error}") from error


def load(path: Path | str) -> Ticket | TicketSet:
    """Read and verify what was drawn, be it a ticket or a set of them.

    Args:
        path: either file of a ticket, the JSON file of a set, or neither's suffix; a member is `path`.m0.

    Raises:
        DamagedTicketError: as `Ticket.load` or `TicketSet.load`.
    """
    return TicketSet.load(path) if _is_set(stem_of(path)) else Ticket.load(path)


def single(path: Path | str, use: str) -> Ticket:
    """Read and verify what must be one ticket.

    Args:
        path: as `load` takes it.
        use: what it is for, as in "bench.export writes".

    Raises:
        UserError: it is a set; says how a member is named.
        DamagedTicketError: as `load`.
    """
    found = load(path)
    if isinstance(found, TicketSet):
        raise UserError(
            f"{path} is a set of {len(found.members)} tickets, and {use} one; name a member, as "
            f"{member_path(stem_of(path), 0)}."
        )
    return found


def members_of(found: Ticket | TicketSet) -> tuple[Ticket, ...]:
    """The members of a set, or a ticket alone."""
    return found.members if isinstance(found, TicketSet) else (found,)


def files_of(stem: Path, found: Ticket | TicketSet) -> tuple[Path, ...]:
    """The files of a ticket or set that lies at `stem`, in the order in which `save` writes them."""
    if isinstance(found, TicketSet):
        members = [files_of(member_path(stem, number), one) for number, one in enumerate(found.members)]
        return (*(file for files in members for file in files), stem.with_name(f"{stem.name}.json"))
    return tuple(stem.with_name(stem.name + suffix) for suffix in (".safetensors", ".json"))


def member_path(stem: Path, number: int) -> Path:
    """Where a member of a set lies, without the suffixes of its two files."""
    return stem.with_name(f"{stem.name}.m{number}")


def member_seed(seed: int, number: int) -> int:
    """The seed of all that is random in one member's training, of its first weights and its head.

    Member 0 has the job's own: it is what a single network at that seed is.
    """
    return derive(seed, "member", number) if number else seed


def _is_set(stem: Path) -> bool:
    """Whether a set lies here, whole or not, by its own file or by its first member."""
    if stem.with_name(f"{stem.name}.safetensors").exists():
        return False
    first = member_path(stem, 0)
    return any(first.with_name(first.name + suffix).exists() for suffix in (".json", ".safetensors")) or _says_set(stem)


def _says_set(stem: Path) -> bool:
    try:
        document = bounded.parsed(bounded.read(stem.with_name(f"{stem.name}.json"), LARGEST_DOCUMENT))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and "set" in document


def _described(file: Path) -> dict[str, Any]:
    """What a set's file states, once it is seen to be as it was written."""
    document = read_document(file, {"set", "sha256"}, "ticket set")
    told = document["set"]
    got = told.get("format") if isinstance(told, dict) else None
    if got != FORMAT:
        raise DamagedTicketError(f"{file} has ticket set format {short(str(got))}; this version reads format {FORMAT}.")
    if document["sha256"] != digest(told):
        raise DamagedTicketError(f"{file} does not have the SHA-256 that it states: it was changed.")
    hashes, provenance = told.get("members"), told.get("provenance")
    if not (isinstance(hashes, list) and isinstance(provenance, dict)):
        raise DamagedTicketError(f"{file} is no ticket set's description: members or provenance are wrong.")
    return told


def _member(stem: Path, number: int, wanted: str) -> Ticket:
    """A member, once it is seen to be the one that the set names in this place."""
    path = member_path(stem, number)
    ticket = Ticket.load(path)
    if ticket.hash != wanted:
        raise DamagedTicketError(
            f"{path} has the hash {ticket.hash[:16]}..., and {stem.name}.json tells {str(wanted)[:16]}... for this "
            "member: it is another ticket, or in another's place."
        )
    return ticket
