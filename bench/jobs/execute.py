"""One job, from its description to its record. Runs in a worker process; the first thing here to import torch."""

from __future__ import annotations

import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.command import curves
from bench.jobs import memory, together
from bench.jobs.computing import Outcome, Place, Report, computed
from bench.jobs.lock import taken
from bench.jobs.store import Store
from bench.jobs.telling import frame, succeeded
from bench.jobs.work import Elsewhere, Facts, Undone, Work
from bench.records import record
from bench.request.plan import Job, describe
from tasks.data.loaders import is_lost_loader
from tasks.network import kept
from tickets.errors import CannotWriteError, DamagedTicketError, UserError
from tickets.hosts.native import force
from tickets.ticket import Ticket
from tickets.ticket_set import TicketSet, load
from tickets.training import grad_checkpointing
from tickets.training.checkpoint import LEAVING, Checkpoint, Left
from tickets.training.ranks import LostRankError


class DamagedDrawError(DamagedTicketError):
    """The ticket of a draw is damaged or gone.

    Args:
        draw: its name.
        why: a sentence.
    """

    def __init__(self, draw: str, why: str) -> None:
        super().__init__(why)
        self.draw = draw


def execute(work: Work, report: Report = None) -> record.Record | Undone | Elsewhere:
    """Do a job and write its record; a job that fails leaves a record that says why.

    A damaged ticket is no failure of the job that needs it, nor is a first lack of memory: `Undone` says so.

    Two runs that share a home do each job once: while one does it, the other gets `Elsewhere`, and then the record.

    Args:
        work: what to do.
        report: told about progress.

    Returns:
        The record, or what else became of it.

    Raises:
        CannotWriteError: the home takes no more files.
    """
    store = Store(work.facts.home)
    lock = store.lock(work.id)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with taken(lock) as owner:
            if owner is not None:
                return Elsewhere(lock, str(owner))
            since = store.finished(work.job, work.id) if work.unless_finished and not work.for_network else None
            return since or together.led(work, lambda: _done(work, store, report))
    except OSError as error:
        raise CannotWriteError(f"cannot lock {lock}: {error.strerror or error}.") from error


def follow(device: str, report: object = None) -> None:
    """Be one of the processes of every job but the first one; `report` is there for `bench.engines.local`.

    Raises:
        LostRankError: another process is gone, or came to something else.
    """
    with TemporaryDirectory(prefix="ticketbench") as scratch:
        together.followed(device, lambda work, store: _done(work, store, None), Path(scratch))


def dismiss(device: str, report: object = None) -> None:
    """Tell the other processes of jobs that there are no more."""
    together.dismiss(device)


def _done(work: Work, store: Store, report: Report) -> record.Record | Undone:
    torch.set_flush_denormal(True)
    memory.forget_peak(torch.device(work.facts.device))
    try:
        checkpoint = Checkpoint(store.checkpoint(work.id))
        verify_data(work.job, work.facts)
        with (
            force.using(work.facts.setting.kernels, work.facts.setting.threads),
            grad_checkpointing.using(work.facts.grad_checkpointing),
            curves.written(store.curves(work.id) if work.facts.tensorboard else None, report) as told,
        ):
            outcome = _computed_anew(work, Place(store, checkpoint, told, given_to(work, store)))
        verify_data(work.job, work.facts)
        found = succeeded(work, outcome, checkpoint.elapsed_s)
        found = _agreeing(found, store) if work.for_network else found
        if work.facts.keep and work.job.kind != "draw":
            _keep(work, outcome, store)
    except (CannotWriteError, LostRankError):  # no fault of the job, and its record would not be taken either
        raise
    except DamagedDrawError as error:
        return Undone(str(error), error.draw)
    except Exception as error:  # whatever it is: it goes into the record, and the grid goes on
        if LEAVING.is_asked:  # its loaders may have been told to end, too, and were faster
            raise Left from error
        if not work.retried and (why := _may_pass(error)):
            return Undone(f"{why} ({str(error).partition(chr(10))[0] or type(error).__name__})")
        return fail(work, f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}")
    if not work.for_network:
        found.write(store.records)
    store.checkpoint(work.id).unlink(missing_ok=True)
    return found


def _may_pass(error: Exception) -> str:
    """Why a job that ended so is worth a second try, as part of a sentence; "" where it is not.

    On the CPU PyTorch has no class of its own for a lack of memory.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "it lacked memory"
    return "it lost a loader" if is_lost_loader(error) else ""


def _computed_anew(work: Work, place: Place) -> Outcome:
    """Do the job; where no training can take over its checkpoint, from its beginning."""
    try:
        return computed(work, place)
    except (CannotWriteError, LostRankError):
        raise
    except Exception as error:  # whatever a foreign state makes of it
        if not place.checkpoint.is_in_doubt:
            raise
        place.checkpoint.refuse(error)
    return computed(work, place)


def verify_data(job: Job, facts: Facts) -> None:
    """See that the job's data are still those that the run prepared and the record will name."""
    for task in job.tasks:
        facts.tasks[task].verify(task, facts.fingerprints[task])


def given_to(work: Work, store: Store) -> dict[str, Ticket | TicketSet]:
    """The tickets that a job needs, each the one that its draw's record tells of.

    Raises:
        DamagedDrawError: a file is missing or damaged.
        UserError: it is another ticket's.
    """
    found: dict[str, Ticket | TicketSet] = {}
    for role, name in work.draws.items():
        found[role] = ticket = _loaded(name, store)
        told = record.read(store.records / f"{name}.json").ticket
        if told is None or told.hash != ticket.hash:
            raise UserError(
                f"{store.ticket(name)}{ticket.suffix} has the hash {ticket.hash[:16]}..., and the record {name} tells "
                f"{told.hash[:16] if told else 'no'}...: it is another ticket's; draw it again with --force."
            )
    return found


def _loaded(draw: str, store: Store) -> Ticket | TicketSet:
    try:
        return load(store.ticket(draw))
    except DamagedTicketError as error:
        raise DamagedDrawError(draw, str(error)) from error


def fail(work: Work, error: str, report: object = None) -> record.Record:
    """Write the record of a job that failed, and return it; `report` is there for `bench.engines.local`.

    A record that is ok is never replaced by it.
    """
    told = error[:2000].encode("utf-8", "replace").decode()  # a file name may hold what no text does
    found, store = record.Record(**frame(work), status="failed", error=told), Store(work.facts.home)
    if not work.for_network and not store.is_ok(work.id):
        found.write(store.records)
    return found


def _agreeing(found: record.Record, store: Store) -> record.Record:
    """The record that is there, once what was trained again is seen to score what it says.

    Raises:
        UserError: it scores otherwise, as on another kind of machine.
    """
    known = store.record(found.id)
    if known is None or known.scores is None or found.scores is None or known.scores.test != found.scores.test:
        raise UserError(
            f"trained again it scores {found.scores and found.scores.score}, and its record says "
            f"{known and known.scores and known.scores.score}, so that this is not its network; --force computes the "
            "record anew, too."
        )
    return known


def _keep(work: Work, outcome: Outcome, store: Store) -> None:
    """Save the network of a transfer or reference as it was scored."""
    told = {
        "record": work.id,
        "job": describe(work.job),
        "metric": outcome.feed.primary,
        "scores": {split: outcome.scores[split] for split in ("val", "test")},
    }
    kept(outcome.ticket, outcome.network, outcome.masks, outcome.feed, told).save(store.network(work.id))
