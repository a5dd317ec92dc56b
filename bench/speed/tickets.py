"""Tickets beside their dense hosts, as files that ONNX Runtime runs: the same rounds for all of a host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from tickets.ticket_set import TicketSet, load

DENSE = "dense"
AT_ONCE = 8
"""Tickets that have their turns in the same rounds; so many networks are held at once."""
WARM_UP = 3


@dataclass(frozen=True)
class Beside:
    """How tickets are timed.

    Args:
        threads: of ONNX Runtime.
        rounds: that count.
        size: (H, W) of the image; None for that of each ticket's source.
        report: told of each network before it is exported, which takes seconds.
    """

    threads: int
    rounds: int
    size: tuple[int, int] | None
    report: Callable[[str], None]

    def measured(self, files: Sequence[Path]) -> Iterator[tuple[str, Timed]]:
        """Hash of each ticket and what was measured of it, as soon as it is known; one host after the other.

        Args:
            files: of single tickets whose hosts take images, as `why_not` lets through.
        """
        groups: dict[tuple[str, tuple[int, int]], list[Path]] = defaultdict(list)
        for file in files:
            ticket = Ticket.load(file)
            groups[str(ticket.spec), self.size or size_of(ticket)].append(file)
        for (_, size), paths in groups.items():
            for start in range(0, len(paths), AT_ONCE):
                yield from self._round(paths[start : start + AT_ONCE], size)

    def _round(self, files: Sequence[Path], size: tuple[int, int]) -> Iterator[tuple[str, Timed]]:
        tickets = {path.stem: Ticket.load(path) for path in files}
        request = self._request(next(iter(tickets.values())), size)
        image = random_inputs(dense := host_of(request), 1, size)
        hosts: dict[str, nn.Module] = {DENSE: calibrated(dense, random_inputs(dense, 2, size))}
        hosts |= {name: ticket.build() for name, ticket in tickets.items()}
        calls: dict[str, Call] = {}
        for name, host in hosts.items():
            self.report(name)
            calls[name] = Compacted(name, compact(host), image, request).call("onnx")
        runs = {name: call.run for name, call in calls.items()}
        times = collected(interleaved(runs, self.rounds, WARM_UP))
        for name, ticket in tickets.items():
            yield ticket.hash, _timed(name, size, times, {key: call.file_mb or 0.0 for key, call in calls.items()})

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


def size_of(ticket: Ticket) -> tuple[int, int]:
    """(H, W) of the images that a ticket was drawn on."""
    height, width = ticket.provenance["size"]
    return height, width


def why_not(file: Path) -> str | None:
    """Why a file is not measured, as part of a sentence; None where it is.

    Raises:
        UserError: it is no ticket, or damaged.
    """
    found: Ticket | TicketSet | Any = load(file)
    if not isinstance(found, Ticket):
        return "a set of tickets, which are several networks"
    traits = found.spec.traits
    if traits.takes != "image":
        return "its host takes latents"
    return "its neurons spike, and no runtime counts what that saves" if traits.has_timesteps else None
