"""One job, from its description to its record. Runs in a worker process; the first thing here to import torch."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from bench.command import curves
from bench.jobs import memory, together
from bench.jobs.identity import codes, knobs, settings_of, versions
from bench.jobs.lock import taken
from bench.jobs.portraying import portrait_of
from bench.jobs.scoring import make_feed, scores_of, synops_of
from bench.jobs.store import Store
from bench.jobs.work import Elsewhere, Facts, Undone, Work, beside, own_draw
from bench.records import provenance, record
from bench.records.curve import Watch
from bench.request import redraw
from bench.request.plan import TICKET, Job, describe
from tasks import TASKS
from tasks.data.loaders import is_lost_loader
from tasks.feed import Feed
from tasks.network import kept
from tickets import atomic
from tickets.cost import dense_macs, layer_costs, sparse_macs
from tickets.drawers import DRAWERS
from tickets.drawers.base import AFTER, BEFORE, Request
from tickets.errors import CannotWriteError, DamagedTicketError, UserError
from tickets.hosts import HOSTS
from tickets.hosts.base import timesteps_of
from tickets.hosts.native import force
from tickets.patterns import ELEMENT
from tickets.pruning.masks import Masks
from tickets.recipes import RECIPES
from tickets.recipes.base import transfers
from tickets.ticket import Ticket, total
from tickets.ticket_set import TicketSet, load, members_of
from tickets.training import grad_checkpointing, progress
from tickets.training.checkpoint import LEAVING, Checkpoint, Left, turns
from tickets.training.ensemble import Ensemble, parts_of
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.training.progress import Progress
from tickets.training.ranks import LostRankError
from tickets.training.spent import Spent
from tickets.transforms import TRANSFORMS

Report = Callable[[Progress], None] | None


class DamagedDrawError(DamagedTicketError):
    """The ticket of a draw is damaged or gone.

    Args:
        draw: its name.
        why: a sentence.
    """

    def __init__(self, draw: str, why: str) -> None:
        super().__init__(why)
        self.draw = draw


@dataclass(frozen=True)
class Outcome:
    """What a job measured.

    Args:
        ticket: that was drawn or trained, or the set.
        network: host and head as scored; those of a set's members together.
        feed: the task that it was scored on.
        masks: in force, as the network names them.
        spent: training work of this job.
        scores: metrics by split, and for draws those around the last pruning.
        drawing_macs: training MACs of the draws that this job used.
        stated_macs: of those what owners state; None where one does not.
    """

    ticket: Ticket | TicketSet
    network: Network | Ensemble
    feed: Feed
    masks: Masks
    spent: Spent
    scores: dict[str, Any]
    drawing_macs: int = 0
    stated_macs: int | None = 0


@dataclass(frozen=True)
class Place:
    """Where a job's process finds and leaves its files.

    Args:
        store: of the home.
        checkpoint: of this job.
        report: told about progress.
        given: the tickets of the draws that the job needs, by role, each verified.
    """

    store: Store
    checkpoint: Checkpoint
    report: Report
    given: dict[str, Ticket | TicketSet] = field(default_factory=dict)


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
            outcome = _computed(work, Place(store, checkpoint, told, given_to(work, store)))
        verify_data(work.job, work.facts)
        found = _succeeded(work, outcome, checkpoint.elapsed_s)
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


def _computed(work: Work, place: Place) -> Outcome:
    """Do the job; where no training can take over its checkpoint, from its beginning."""
    compute = _draw if work.job.kind == "draw" else _transfer
    try:
        return compute(work, place)
    except (CannotWriteError, LostRankError):
        raise
    except Exception as error:  # whatever a foreign state makes of it
        if not place.checkpoint.is_in_doubt:
            raise
        place.checkpoint.refuse(error)
    return compute(work, place)


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


def _draw(work: Work, place: Place) -> Outcome:
    """Draw a ticket, save it, and score it from its file."""
    job, facts = work.job, work.facts
    feed, path = make_feed(job.trained_on, job.seed, facts), place.store.ticket(work.id)
    watch = Watch(place.report)
    request = Request(
        spec=HOSTS.make(facts.setting.host),
        source=feed,
        settings=settings_of(job, facts),
        sparsity=job.sparsity,
        seed=job.seed,
        given=_beside(place.given),
        checkpoint=place.checkpoint,
        report=watch,
    )
    drawer = DRAWERS.make(job.drawer, knobs(job, facts.scale.plan(job.trained_on)))
    drawer.draw(request).save(path)
    ticket = load(path)
    if isinstance(ticket, Ticket):
        atomic.write(place.store.portrait(work.id), portrait_of(work.id, ticket, watch.curve).to_bytes())
    network = ticket.network(feed)
    during = {key: score for key, score in ticket.provenance["scores"].items() if key in (BEFORE, AFTER)}
    spent, scores = Spent(**ticket.provenance["spent"]), {**scores_of(feed, network), **during}
    drawing, stated = ticket.macs_spent - spent.macs, ticket.stated_macs
    return Outcome(ticket, network, feed, ticket.network_masks(), spent, scores, drawing, stated)


def _transfer(work: Work, place: Place) -> Outcome:
    """Train a ticket, or its control, on the target and score it once."""
    feed = make_feed(work.job.trained_on, work.job.seed, work.facts)
    ticket, trainings = begun(work, place.given, feed)
    network, masks, spent = _trained(trainings, place, len(members_of(ticket)), feed)
    given = place.given.values()
    scores, drawing, stated = scores_of(feed, network), drawing_macs(given), stated_macs(given)
    return Outcome(ticket, network, feed, masks, spent, scores, drawing, stated)


def begun(
    work: Work, given: Mapping[str, Ticket | TicketSet], feed: Feed
) -> tuple[Ticket | TicketSet, Iterator[Training]]:
    """The ticket or set that a transfer trains, and each of its trainings before its first step.

    Args:
        work: of a transfer or control.
        given: the tickets of the draws that it needs, by role.
        feed: the target.
    """
    job, spec = work.job, HOSTS.make(work.facts.setting.host)
    ticket = given.get(TICKET) or Ticket.dense(spec)
    if job.transform is not None and isinstance(ticket, Ticket):  # planning transforms no set
        ticket = TRANSFORMS.make(job.transform).onto(ticket, job.seed, spec)
    recipe, settings = RECIPES.make(job.recipe or ""), settings_of(job, work.facts)
    return ticket, transfers(ticket, recipe, feed, settings, job.seed, job.head or "fresh", _beside(given))


def _beside(given: Mapping[str, Ticket | TicketSet]) -> dict[str, Ticket]:
    """The given tickets but the job's own; planning lets none of them be a set."""
    return {role: one for role, one in given.items() if role != TICKET and isinstance(one, Ticket)}


def _trained(
    trainings: Iterable[Training], place: Place, count: int, feed: Feed
) -> tuple[Network | Ensemble, Masks, Spent]:
    """One training run, or several one after the other: the network as scored, its masks, and what was spent."""
    networks, masks, spent = [], [], Spent()
    for number, (training, checkpoint) in enumerate(zip(trainings, turns(place.checkpoint, count), strict=True)):
        training.run(checkpoint, progress.part(place.report, number, count))
        if checkpoint is not None and count > 1:
            checkpoint.save(training.state_dict())
        networks.append(training.averaged())
        masks.append(training.network.masks)
        spent += training.spent
    if count == 1:
        return networks[0], masks[0], spent
    return Ensemble(networks, feed.merge), Ensemble.named(masks), spent


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


def drawing_macs(given: Collection[Ticket | TicketSet]) -> int:
    """Training MACs of the draws of some tickets and of what these were made from, each draw once."""
    behind = {name: macs for one in given for name, macs in one.made_from.items()}
    return sum((behind | {one.hash: one.own_macs for one in given}).values())


def stated_macs(given: Collection[Ticket | TicketSet]) -> int | None:
    """Of the draws of some tickets what owners state of networks that were drawn elsewhere; None where one does not."""
    return total({name: macs for one in given for name, macs in one.stated_from.items()})


def _succeeded(work: Work, outcome: Outcome, wall_s: float) -> record.Record:
    feed, spent, masks = outcome.feed, outcome.spent, outcome.masks
    layers = layer_costs(outcome.network, feed.size)
    dense_weights = sum(layer.weights for layer in layers)
    removed = sum(mask.numel() - int(mask.sum()) for mask in masks.values())
    size = outcome.ticket.costs(feed.size)
    found = {
        **frame(work),
        "status": "ok",
        "scores": {"primary": feed.primary, "score": outcome.scores["test"][feed.primary], **outcome.scores},
        "counts": {split: len(feed.task.split(split)) for split in ("train", "val", "test")},
        "test_split": feed.task.info.test,
        "ticket": {
            "hash": outcome.ticket.hash,
            "sparsity": outcome.ticket.sparsity,
            "remaining": outcome.ticket.remaining,
            "pattern": outcome.ticket.provenance.get("pattern", ELEMENT),
            "members": len(members_of(outcome.ticket)),
            "synops": synops_of(feed, outcome.ticket, outcome.network),
            **size,
        },
        "deployed": {
            "parameters": sum(p.numel() for p in outcome.network.parameters()) - removed,
            "macs": dense_macs(layers),
            "sparse_macs": sparse_macs(layers, masks),
            "sparsity": removed / dense_weights,
        },
        "costs": {
            "training_macs": spent.macs,
            "sparse_training_macs": spent.sparse_macs,
            "teacher_macs": spent.teacher_macs,
            "grad_checkpointing": work.facts.grad_checkpointing,
            "drawing_macs": outcome.drawing_macs,
            "stated_macs": outcome.stated_macs,
            "timesteps": timesteps_of(parts_of(outcome.network)[0].get_submodule("host")),
            "images": spent.images,
            "wall_s": wall_s,
            "peak_mib": memory.peak_mib(feed.device),
        },
    }
    if work.job.kind == "draw" and (told := outcome.ticket.provenance.get("timesteps")):
        found["config"] |= {"timesteps": told}
    return record.Record.model_validate(found)


def frame(work: Work) -> dict[str, Any]:
    """What a record says whether or not the job succeeded."""
    job, facts = work.job, work.facts
    plan, foreign = facts.scale.plan(job.trained_on), codes(job, facts)
    is_cuda, said = facts.setting.device == "cuda", knobs(job, plan)
    return {
        "id": work.id,
        "kind": job.kind,
        "job": describe(job),
        "setting": facts.setting,
        "config": {
            "heads": facts.scale.heads,
            "size": list(plan.size),
            "batch_size": plan.batch_size,
            "options": plan.options,
            "interval": said.get("interval"),
            "knobs": said,
            "settings": settings_of(job, facts).to_json(),
            "draw": own_draw(work.draws),
            "needs": beside(work.draws),
            **({"retried": work.retried} if work.retried else {}),
        },
        "versions": versions(job, facts.tasks),
        "fingerprints": {task: facts.fingerprints[task] for task in job.tasks},
        "redraw": redraw_command(job, facts) if job.source else None,
        "code": foreign,
        **provenance.stamp(torch.cuda.get_device_name(facts.device) if is_cuda else facts.device, foreign),
    }


def redraw_command(job: Job, facts: Facts) -> str:
    """What draws the job's ticket again and does nothing else."""
    setting = facts.of(job.needs.get(TICKET, job)).setting
    is_elsewhere = job.source is not None and TASKS.other(job.source) is not None
    return redraw.command(job.source or "", job.drawer, job.sparsity, job.seed, setting, is_elsewhere)
