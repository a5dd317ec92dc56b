"""Tickets beside their dense hosts, as files that ONNX Runtime runs: the same rounds for all of a host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from bench.records.speeds import Timed
from bench.request import scale as scales
from bench.speed.engines import Call, Compacted
from bench.speed.latency import calibrated
from bench.speed.request import Request
from bench.speed.synthetic import host_of
from bench.speed.timing import Times, collected, interleaved, ratio, spread
from tickets.deploy.compact import compact
from tickets.deploy.export import random_inputs
from tickets.hosts.native.processor import TORCH
from tickets.ticket import Ticket
from tickets.ticket_set import load

DENSE = "dense"
AT_ONCE = 8
"""Tickets that have their turns in the same rounds; so many networks are held at once."""
WARM_UP = 3


@dataclass(frozen=True)
class Seen:
    """What is known of a ticket before it is measured.

    Args:
        file: either of its own.
        hash: of its content.
        host: what it was drawn from, in words.
        size: (H, W) of the image that it is measured with.
    """

    file: Path
    hash: str
    host: str
    size: tuple[int, int]


def seen(file: Path, size: tuple[int, int] | None) -> Seen | str:
    """A ticket as it is to be measured, or, as part of a sentence, why it is not.

    Args:
        file: of a ticket or a set.
        size: (H, W) of the image; None for that of the ticket's source.

    Raises:
        UserError: it is no ticket, or damaged.
    """
    found = load(file)
    if not isinstance(found, Ticket):
        return "a set of tickets, which are several networks"
    traits = found.spec.traits
    if traits.takes != "image":
        return "its host takes latents"
    if traits.has_timesteps:
        return "its neurons spike, and no runtime counts what that saves"
    return Seen(file, found.hash, str(found.spec), size or tuple(found.provenance["size"]))


@dataclass(frozen=True)
class Beside:
    """How tickets are timed.

    Args:
        threads: of ONNX Runtime.
        rounds: that count.
        report: told of each network before it is exported, which takes seconds.
    """

    threads: int
    rounds: int
    report: Callable[[str], None]

    def measured(self, tickets: Sequence[Seen]) -> Iterator[tuple[Seen, Timed]]:
        """Each ticket with what was measured of it, as soon as it is known; one host after the other."""
        groups: dict[tuple[str, tuple[int, int]], list[Seen]] = defaultdict(list)
        for one in tickets:
            groups[one.host, one.size].append(one)
        for (_, size), alike in groups.items():
            for start in range(0, len(alike), AT_ONCE):
                yield from self._round(alike[start : start + AT_ONCE], size)

    def _round(self, seen: Sequence[Seen], size: tuple[int, int]) -> Iterator[tuple[Seen, Timed]]:
        tickets = {one.file.stem: Ticket.load(one.file) for one in seen}
        request = self._request(next(iter(tickets.values())), size)
        dense = host_of(request)
        image = random_inputs(dense, 1, size)
        hosts: dict[str, nn.Module] = {DENSE: calibrated(dense, random_inputs(dense, 2, size))}
        hosts |= {name: ticket.build() for name, ticket in tickets.items()}
        calls: dict[str, Call] = {}
        for name, host in hosts.items():
            self.report(name)
            calls[name] = Compacted(name, compact(host), image, request).call("onnx")
        times = collected(interleaved({name: call.run for name, call in calls.items()}, self.rounds, WARM_UP))
        mb = {name: call.file_mb or 0.0 for name, call in calls.items()}
        for one in seen:
            yield one, _timed(one.file.stem, size, times, mb)

    def _request(self, ticket: Ticket, size: tuple[int, int]) -> Request:
        return Request(
            preset=scales.presets()[0], task="cls", batch=2, latency_batch=1, size=size, threads=self.threads,
            kernels=TORCH, layout="contiguous", dtype="float32", compiled=False, sparsity=0.0, rounds=self.rounds,
            limit=float("inf"), device="cpu", what=("inference",), engines=("onnx",), host=ticket.spec,
        )  # fmt: skip


def _timed(name: str, size: tuple[int, int], times: Times, mb: Mapping[str, float]) -> Timed:
    faster = ratio(times, DENSE, name)
    milliseconds = {key: spread(times[key]).median * 1000 for key in (name, DENSE)}
    return Timed(
        size=size, faster=faster.median, low=faster.low, high=faster.high,
        ms=milliseconds[name], dense_ms=milliseconds[DENSE], mb=mb[name], dense_mb=mb[DENSE],
    )  # fmt: skip
