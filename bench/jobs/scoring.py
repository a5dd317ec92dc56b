"""A job's task bound to its seed and device, and what a network scores on it."""

from __future__ import annotations

from typing import Any

import torch

from bench.jobs.work import Facts
from tasks.feed import Feed
from tasks.metrics.together import Together
from tickets.hosts.rates import rates, spiked
from tickets.ticket import Ticket
from tickets.ticket_set import TicketSet, members_of
from tickets.training.ensemble import Ensemble, parts_of
from tickets.training.network import Network


def make_feed(task: str, seed: int, facts: Facts) -> Feed:
    """A task bound to a seed, and to its scale's batch size and the run's device."""
    return Feed(
        name=task,
        task=facts.tasks[task],
        batch_size=facts.scale.plan(task).batch_size,
        seed=seed,
        heads=facts.scale.heads,
        workers=facts.workers,
        device=torch.device(facts.device),
    )


def scores_of(feed: Feed, network: Network | Ensemble) -> dict[str, Any]:
    """All metrics on val and, read only here, on test, there by class too where the metric tells.

    Of an ensemble also those of each of its networks on test.
    """
    test = feed.measure(network, "test")
    by_class: dict[str, Any] = getattr(test, "per_class", dict)()
    names = feed.task.info.names
    return {
        "val": feed.score(network, "val"),
        "test": test.compute(),
        "classes": {
            key: {name: None if value != value else value for name, value in zip(names, values.tolist(), strict=True)}
            for key, values in by_class.items()
        },
        "amounts": list(getattr(test, "amounts", ())),
        "members": test.members() if isinstance(test, Together) else [],
    }


def synops_of(feed: Feed, found: Ticket | TicketSet, network: Network | Ensemble) -> int | None:
    """Accumulates of an image, by the rates on val; of a set all members'. None where no layer is fed spikes.

    Args:
        feed: the task that the network is of.
        found: whose masks it has.
        network: as scored.
    """
    total = None
    for ticket, one in zip(members_of(found), parts_of(network), strict=True):
        host = one.get_submodule("host")
        if spiked(host):
            with rates(host) as known:
                feed.score(one, "val")
            total = (total or 0) + ticket.synops(feed.size, known)
    return total
