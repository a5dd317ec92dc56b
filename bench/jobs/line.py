"""Two trainings of one ticket that differ in the order of their data, and the errors on the line between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from bench.jobs.computing import Report, begun
from bench.jobs.execute import given_to, verify_data
from bench.jobs.identity import settings_of
from bench.jobs.scoring import make_feed
from bench.jobs.store import Store
from bench.jobs.work import Work
from tasks.feed import Feed
from tickets.hosts.native import force
from tickets.seeding import derive
from tickets.ticket import Ticket
from tickets.ticket_set import TicketSet
from tickets.training.between import errors_along
from tickets.training.checkpoint import Checkpoint
from tickets.training.network import Network
from tickets.training.progress import Progress

ORDERS = 2


def errors(work: Work, points: int, report: Report = None) -> list[float]:
    """Test errors, 1 - the primary metric, at points from one training's network to the other's.

    The first training is the work's own, so that the first error is that of its record; the second one begins with the
    same weights and head and sees the data in another order, otherwise augmented. Both networks are those that are
    scored, averaged and recalibrated; on the line all batch norms are recalibrated on the same batches.

    Args:
        work: of a transfer or control.
        points: at least 3, the ends among them.
        report: told about progress, in steps of both trainings.

    Raises:
        UserError: a ticket that the work needs is missing or another one.
        DataError: the data are not those that were prepared.
    """
    torch.set_flush_denormal(True)
    job, facts, store = work.job, work.facts, Store(work.facts.home)
    verify_data(job, facts)
    given = given_to(work, store)
    names = [f"{work.id}-order{order}" for order in range(ORDERS)]
    with force.using(facts.setting.kernels, facts.setting.threads):
        feeds = [make_feed(job.trained_on, _seed(job.seed, order), facts) for order in range(ORDERS)]
        one, other = (
            _end(work, given, feed, Checkpoint(store.checkpoint(name)), _of_both(report, order))
            for order, (feed, name) in enumerate(zip(feeds, names, strict=True))
        )
        count = settings_of(job, facts).calibration_batches
        found = errors_along(
            one, other, points, lambda: _images(feeds[0], count), lambda network: _score(feeds[0], network)
        )
    for name in names:
        store.checkpoint(name).unlink(missing_ok=True)
    return found


def _seed(seed: int, order: int) -> int:
    """Of the order of the data: the first is the job's own."""
    return derive(seed, "order", order) if order else seed


def _end(
    work: Work, given: dict[str, Ticket | TicketSet], feed: Feed, checkpoint: Checkpoint, report: Report
) -> Network:
    """The network that a training ends with; whatever it had done before an interruption is taken over."""
    _, (training,) = begun(work, given, feed)
    training.run(checkpoint, report)
    checkpoint.save(training.state_dict())
    return training.averaged()


def _of_both(report: Report, order: int) -> Report:
    """Reports of one training as those of all, one after the other."""
    if report is None:
        return None
    told = report

    def of_both(progress: Progress) -> None:
        told(replace(progress, step=progress.step + order * progress.steps, steps=ORDERS * progress.steps))

    return of_both


def _images(feed: Feed, count: int) -> Iterator[Tensor]:
    """The batches that batch norms are recalibrated on."""
    return (batch["image"].contiguous(memory_format=torch.channels_last) for batch in feed.calibration(count))


def _score(feed: Feed, network: Network) -> float:
    return feed.score(network, "test")[feed.primary]
