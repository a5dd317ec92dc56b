"""Which records of a home may be published: complete, clean, and verified against their tickets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs.store import Store
from bench.records import members, portrait, record
from bench.records.record import Record
from tasks import TASKS
from tickets import atomic
from tickets.drawers import DRAWERS
from tickets.errors import CannotWriteError, UserError

if TYPE_CHECKING:
    from bench.audit.replica import Data

DONE, THERE, REFUSED, PORTRAYED = "published", "there", "REFUSED", "portrayed"
Keep = Callable[[Record], bool]
"""Whether a record is asked for."""
KEPT = {"source": TASKS.resolve, "target": TASKS.resolve, "drawer": DRAWERS.resolve}


def filters(source: str | None, target: str | None, drawer: str | None) -> Keep:
    """Whether a record is asked for by these comma-separated names; None asks for all, "none" for those without.

    Raises:
        UserError: an unknown name; lists all of them.
    """
    wanted: dict[str, set[str | None]] = {}
    mistakes = []
    for (key, resolve), text in zip(KEPT.items(), (source, target, drawer), strict=True):
        for part in () if text is None else text.split(","):
            try:
                wanted.setdefault(key, set()).add(None if part.strip() == "none" else resolve(part.strip()))
            except UserError as error:
                mistakes.append(str(error))
    if mistakes:
        raise UserError(" ".join(mistakes))
    return lambda found: all(getattr(found.job, key) in names for key, names in wanted.items())


def paths(store: Store) -> list[Path]:
    """The files of a home's records, by name.

    Raises:
        UserError: there is no such home.
    """
    if not store.records.is_dir():
        raise UserError(f"there is no folder {store.records}; run python -m bench.run first, or name another --home.")
    return sorted(path for path in store.records.glob("*.json") if not path.name.startswith("."))


@dataclass
class Publisher:
    """From one home to one folder.

    Args:
        store: of the home.
        to: where published records lie.
        data: what tickets are scored on; None to leave that out.
        tickets: where the tickets of published draws go; None for nowhere. Their portraits go beside `to`.
        only_portraits: publish nothing else, and of jobs alone whose record is published.
    """

    store: Store
    to: Path
    data: Data | None
    tickets: Path | None = None
    only_portraits: bool = False

    def outcome(self, path: Path, keep: Keep) -> tuple[str, str] | None:
        """What became of a record's file: its fate and how or why; None if it is not asked for."""
        try:
            found = record.read(path)
            if not keep(found):
                return None
            data, goal = path.read_bytes(), self.to / path.name
            if self.only_portraits:
                return self._portrayed(found, goal)
            if goal.exists() and goal.read_bytes() == data:
                self._take_along(found)
                return THERE, "the same bytes"
            unpublished(found)
            if goal.exists() and _is_repeated(found, record.read(goal)):
                self._take_along(found)
                return THERE, "drawn again, to the same ticket and scores"
            if goal.exists():
                raise UserError(f"{goal} has other content, and nothing published is overwritten; look at both.")
            how = self._verified(found)
            self._take_along(found)
            atomic.write(goal, data)
        except CannotWriteError:
            raise
        except UserError as error:
            return REFUSED, " ".join(str(error).split())
        except OSError as error:
            raise UserError(
                f"{error.filename}: {error.strerror}; let --to name a folder that can be written."
            ) from error
        return DONE, how

    def _verified(self, found: Record) -> str:
        """How a record was verified.

        Raises:
            UserError: it could not be; says why.
        """
        from bench.audit import replica

        if found.kind != "draw":
            return self._same_ticket(found)
        stem = self.store.ticket(found.id)
        _agree(found, _hash(stem))
        if self.data is None:
            return "the ticket's file verified, not scored again"
        replica.verify_score(found, stem, self.data)
        return f"the ticket's file gives {found.scored.primary} {found.scored.score:.4f} again"

    def _take_along(self, found: Record) -> None:
        """A draw's portrait, and the verified files of its ticket where that is asked for."""
        if found.kind != "draw" or found.status != "ok":
            return
        with suppress(UserError):  # a picture is no part of a result
            self._portray(found, found)
        if self.tickets is None:
            return
        from tickets.ticket_set import files_of, load

        stem = self.store.ticket(found.id)
        _agree(found, _hash(stem))
        for file in files_of(stem, load(stem)):
            data, goal = file.read_bytes(), self.tickets / file.name
            if not atomic.is_there(goal, data):
                atomic.write(goal, data)

    def _portrayed(self, found: Record, goal: Path) -> tuple[str, str] | None:
        """What became of a draw's portrait, where its record is published; sets have none."""
        is_single = found.ticket is not None and found.ticket.members == 1
        if found.kind != "draw" or found.status != "ok" or not is_single or not goal.exists():
            return None
        is_same = self._portray(found, record.read(goal))
        return PORTRAYED, "the published ticket" if is_same else "another ticket that the same job drew"

    def _portray(self, found: Record, published: Record) -> bool:
        """Put a draw's portrait beside the published records; one of the published ticket stays.

        Returns:
            Whether it is of the published ticket.

        Raises:
            UserError: the home has none of the ticket that its record tells.
        """
        drawn, wanted = (one.ticket and one.ticket.hash for one in (found, published))
        own, goal = self.store.portrait(found.id), portrait.beside(self.to) / f"{found.id}.json"
        if goal.exists() and portrait.read(goal).ticket == wanted:
            return True
        if not own.exists() or (told := portrait.read(own)).ticket != drawn:
            raise UserError("the home has no portrait of its ticket; draw it again with --force.")
        atomic.write(goal, told.to_bytes())
        return drawn == wanted

    def _same_ticket(self, found: Record) -> str:
        """That a transfer's record tells of the ticket that the home holds."""
        from bench.audit import replica

        if found.job.source is None:
            _agree(found, _dense_hash(found.setting.host))
            return "trained from fresh weights on the whole host"
        draw = replica.draw_of(found)
        if draw is None:
            raise UserError("it does not tell in config.draw which ticket it started from; run its job again.")
        for name in dict.fromkeys([draw, *found.needs.values()]):
            self._clean(name)
        _agree(found, _hash(self.store.ticket(draw), found.job.transform, found.job.seed, found.setting.host))
        return f"its ticket {draw} verified"

    def _clean(self, draw: str) -> None:
        """That a draw's own record, and those of the draws that it started from, are complete and clean."""
        from bench.audit import replica

        name: str | None = draw
        while name:
            try:
                found = record.read(self.store.records / f"{name}.json")
                unpublished(found)
            except UserError as error:
                raise UserError(f"the record {name}, which it needs, is not fit: {error}") from error
            if name == draw:
                _agree(found, _hash(self.store.ticket(name)))
            name = replica.draw_of(found)


def _is_repeated(found: Record, published: Record) -> bool:
    """Whether a draw came to what is published of it, in all but where, when and in what time."""
    return found.kind == "draw" and (found.ticket, found.scores) == (published.ticket, published.scores)


def _agree(found: Record, got: str) -> None:
    """Refuse a record that tells another hash than its ticket has."""
    if found.ticket is None or found.ticket.hash != got:
        told = "none" if found.ticket is None else f"{found.ticket.hash[:16]}..."
        raise UserError(
            f"its ticket's file has the hash {got[:16]}... and {found.id} tells {told}; it was drawn again since, or "
            "is another's: run the job again with --force."
        )


def unpublished(found: Record) -> None:
    """Refuse what is no result: failed, or `unclean`.

    Raises:
        UserError: says which.
    """
    if found.status != "ok":
        raise UserError(f"it failed: {(found.error or '').strip().splitlines()[0]}")
    unclean(found)


def unclean(found: Record) -> None:
    """Refuse what is from unknown, changed or private code, or not measured here.

    Raises:
        UserError: says which.
    """
    if found.origin != "measured":
        raise UserError(f"its origin is '{found.origin}', and only measured records are published from a home.")
    if private := members.private(found.code):
        raise UserError(private)
    if found.commit is None:
        raise UserError("it names no commit; run its job again from a git checkout.")
    if found.dirty is not False:
        raise UserError(f"its code differed from commit {found.commit[:10]}; commit, then run its job with --force.")


@cache
def _hash(stem: Path, transform: str | None = None, seed: int = 0, host: str = "") -> str:
    """The hash of a ticket's verified file, or of what a transform makes of it for a host.

    Raises:
        UserError: the file is missing or damaged.
    """
    from tickets.hosts import HOSTS
    from tickets.ticket_set import load, single
    from tickets.transforms import TRANSFORMS

    if transform is None:
        return load(stem).hash
    ticket = single(stem, f"{transform} transforms")
    return TRANSFORMS.make(transform).onto(ticket, seed, HOSTS.make(host)).hash


@cache
def _dense_hash(host: str) -> str:
    from tickets.hosts import HOSTS
    from tickets.ticket import Ticket

    return Ticket.dense(HOSTS.make(host)).hash
