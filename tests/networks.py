"""Networks small enough for unit tests, kept as a run keeps them, without any training."""

from __future__ import annotations

from typing import Any

import torch
from toy import SPEC

from tasks import TASKS
from tasks.feed import Feed
from tasks.network import kept
from tickets.hosts.base import HostSpec
from tickets.pruning.masks import project, prunable
from tickets.source import initial_head
from tickets.ticket import Ticket
from tickets.training.network import Network


def made(
    name: str, spec: HostSpec = SPEC, seed: int = 0, heads: str = "light", **options: Any
) -> tuple[Ticket, Network]:
    """A network of a task at 32x32 whose masks keep about half, as kept and as it is."""
    feed = Feed(TASKS.resolve(name), TASKS.load(name)(size=(32, 32), **options), 8, seed, heads=heads)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        host = spec.initial(seed)
        masks = {f"host.{weight}": torch.rand(w.shape) > 0.5 for weight, w in prunable(host).items()}
        network = Network(host, initial_head(feed, host, seed), masks)
        for _ in range(2):  # batch norms with statistics of their own
            network.train()(torch.randn(8, 3, 32, 32))
    project(network, masks)
    network = Network(network.host, network.head).to(memory_format=torch.channels_last).eval()
    found = kept(Ticket.dense(spec), network, masks, feed, {"record": f"record-of-{name}"})
    assert isinstance(found, Ticket)
    return found, network
