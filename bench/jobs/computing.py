"""What a job computes: a ticket that is drawn and scored, or one that is trained on a target and scored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.jobs.identity import knobs, settings_of
from bench.jobs.portraying import portrait_of
from bench.jobs.scoring import make_feed, scores_of
from bench.jobs.store import Store
from bench.jobs.work import Work
from bench.records.curve import Watch
from bench.request.plan import TICKET
from tasks.feed import Feed
from tickets import atomic
from tickets.drawers import DRAWERS
from tickets.drawers.base import AFTER, BEFORE, Request
from tickets.hosts import HOSTS
from tickets.pruning.masks import Masks
from tickets.recipes import RECIPES
from tickets.recipes.base import transfers
from tickets.ticket import Ticket, total
from tickets.ticket_set import TicketSet, load, members_of
from tickets.training import progress
from tickets.training.checkpoint import Checkpoint, turns
from tickets.training.ensemble import Ensemble
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.training.progress import Progress
from tickets.training.spent import Spent
from tickets.transforms import TRANSFORMS

Report = Callable[[Progress], None] | None


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


def computed(work: Work, place: Place) -> Outcome:
    """Draw a ticket, or train one."""
    return (_draw if work.job.kind == "draw" else _transfer)(work, place)


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
    if isinstance(ticket, Ticket) and (portrait := portrait_of(work.id, ticket, watch.curve)):
        atomic.write(place.store.portrait(work.id), portrait.to_bytes())
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


def drawing_macs(given: Collection[Ticket | TicketSet]) -> int:
    """Training MACs of the draws of some tickets and of what these were made from, each draw once."""
    behind = {name: macs for one in given for name, macs in one.made_from.items()}
    return sum((behind | {one.hash: one.own_macs for one in given}).values())


def stated_macs(given: Collection[Ticket | TicketSet]) -> int | None:
    """Of the draws of some tickets what owners state of networks that were drawn elsewhere; None where one does not."""
    return total({name: macs for one in given for name, macs in one.stated_from.items()})
