"""Calls as tasks of a Ray cluster, each with the cores and the GPU that it needs; Ray says on which node."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Self

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when it is imported

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from bench.engines.choice import Demand, number, only
from bench.engines.contract import KILLED_TRIES, LOST_TRIES, Death, Message
from bench.engines.forking import uninterrupted
from bench.engines.local import ENDING, LEAVE_S, Workers
from bench.engines.node import Call, Seen, check, code, look, marked, served
from tickets.errors import UserError

ADDRESS = "RAY_ADDRESS"
HERE = "local"
"""The address that starts a cluster of this machine alone."""
STORE_BYTES = 100 * 2**20
"""Of that one: what jobs need is in files, and messages are small."""
REACH_S, LOOK_S, WAIT_S, ALONE_S, END_S = 5.0, 60.0, 1.0, 600.0, 1.5
"""Seconds that a cluster has to answer, a node to look, between two signs of life, that a run waits for a node, and
that the end of a connection takes."""
_KEPT: dict[tuple[int, str], Workers] = {}
"""The worker of a process of Ray's, by threads and the GPUs that it sees."""


class Ray:
    """The engine.

    Args:
        demand: of each call.
        address: of the cluster; "local" starts one.
        gpus: of each call, part of one where several share it.
    """

    is_one_machine = False

    def __init__(self, demand: Demand, address: str, gpus: float) -> None:
        self.demand, self.address, self.gpus = demand, address, gpus
        self._busy: dict[Any, Any] = {}  # by the stream of a call's messages
        self._is_ours = False
        self._seen_node = time.monotonic()

    def __enter__(self) -> Self:
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            self._connect()
        try:
            self._check()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Interrupt the calls, wait until trainings have noted where they are, and end the connection."""
        ends = {stream.completed(): stream for stream in self._busy}
        self._busy.clear()
        for stream in ends.values():
            ray.cancel(stream)
        if ends:
            _, late = ray.wait([*ends], num_returns=len(ends), timeout=LEAVE_S - END_S)
            for end in late:
                ray.cancel(ends[end], force=True)
        if self._is_ours:
            ray.shutdown()

    def _connect(self) -> None:
        if self.address != HERE:
            _reach(self.address)
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        small: dict[str, Any] = {"include_dashboard": False, "object_store_memory": STORE_BYTES}
        try:
            with _own_signals(), uninterrupted(*ENDING[1:]):  # SIGHUP: a closed terminal is this process's
                ray.init(self.address, **quiet, **(small if self.address == HERE else {}))
        except Exception as error:  # Ray has one for each way in which it does not come about
            raise _unreachable(self.address, error) from error

    def _check(self) -> None:
        """See that there is room for a job, and that every node can do it."""
        if not self._slots():
            gpu = f" and {self.gpus:g} GPUs" if self.gpus else ""
            raise UserError(
                f"no node of the Ray cluster at {self.address} has {self.demand.cpus} cores{gpu} for a job; give fewer "
                "--threads and --workers, or start larger nodes."
            )
        with marked(self.demand.folders) as marks:
            looks = [_look_there.options(scheduling_strategy=_at(node)).remote(marks) for node in _nodes()]
            try:
                seen: list[Seen] = ray.get(looks, timeout=LOOK_S)
            except exceptions.RayError as error:
                first = str(error).strip().splitlines()[-1]
                raise UserError(f"a node of the Ray cluster cannot do jobs of ticketbench: {first}.") from error
        ours = code()
        for one in seen:
            check(one, ours)

    def _slots(self) -> int:
        """Calls that fit on the nodes that live."""
        return sum(self._fits(node["Resources"]) for node in _nodes())

    def _fits(self, has: Mapping[str, float]) -> int:
        by_cores = int(has.get("CPU", 0) // self.demand.cpus)
        return min(by_cores, int(has.get("GPU", 0) / self.gpus)) if self.gpus else by_cores

    @property
    def free(self) -> int:
        """How many more calls fit.

        Raises:
            UserError: there has been no node for long.
        """
        slots = self._slots()
        if slots:
            self._seen_node = time.monotonic()
        elif time.monotonic() - self._seen_node > ALONE_S:
            raise UserError(f"the Ray cluster at {self.address} has had no node for {ALONE_S:.0f} s; start some.")
        return max(0, min(self.demand.at_once, slots) - len(self._busy))

    def start(self, key: Any, function: str, *args: Any) -> None:
        """Begin a call; it waits for its cores and its GPU."""
        call = Call(function, args, self.demand.threads)
        self._busy[_serve_there.options(num_cpus=self.demand.cpus, num_gpus=self.gpus).remote(call)] = key

    def messages(self) -> Iterator[Message]:
        """Wait for the next messages of running calls, of which there must be one; gives all that are at hand."""
        while not ray.wait([*self._busy], num_returns=1, timeout=WAIT_S)[0]:
            continue  # in steps, since a signal is heeded between them
        told, _ = ray.wait([*self._busy], num_returns=len(self._busy), timeout=0)
        for stream in told:
            message = replace(self._next(stream), key=self._busy[stream])
            if message.kind != "progress":
                del self._busy[stream]
            yield message

    def _next(self, stream: Any) -> Message:
        try:
            found: Message = ray.get(next(stream))
            return found
        except exceptions.OutOfMemoryError:
            return Message(None, "died", Death("Ray ended it since its node was short of memory", KILLED_TRIES))
        except exceptions.WorkerCrashedError:
            return Message(None, "died", Death("the process of Ray that it ran in has ended", KILLED_TRIES))
        except (exceptions.NodeDiedError, exceptions.RaySystemError, exceptions.ObjectLostError):
            return Message(None, "died", Death("the node that it ran on left the cluster", LOST_TRIES))


def made(options: dict[str, str], demand: Demand) -> Ray:
    """The engine by its options.

    Raises:
        UserError: there is no such option, or no such value.
    """
    only(options, ("address", "gpus"))
    gpus = number("gpus", options["gpus"]) if "gpus" in options else float(demand.gpus)
    return Ray(demand, options.get("address") or os.environ.get(ADDRESS) or HERE, gpus if demand.gpus else 0.0)


@contextmanager
def _own_signals() -> Iterator[None]:
    """What this process does when it is told to end outlives the block, in which Ray has its own way."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, how in before.items():
                if callable(how):
                    signal.signal(number, how)


def _reach(address: str) -> None:
    """See that somebody listens there, for which Ray itself takes minutes."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not (host and colon and port.isdecimal()):
        raise UserError(f"the address of a Ray cluster is HOST:PORT, as ray start --head tells it; {address} is none.")
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> UserError:
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    return UserError(
        f"the Ray cluster at {address} cannot be reached ({first}); see that it runs (ray status) and that {ADDRESS} "
        "names it, or leave that out for a cluster of this machine."
    )


def _nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _at(node: Mapping[str, Any]) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)


def _serve(call: Call) -> Iterator[Message]:
    """Do a call in a process that stays for the next one; an end from outside is the process's, too."""
    told = call.threads, os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if told not in _KEPT:
        _end_kept()  # of other GPUs
        _KEPT[told] = Workers(1, call.threads, apart=True)  # Ray kills the group of a process that it ends
    try:
        yield from served(call, _KEPT[told])
    except BaseException:  # cancelled, or its node is taken away
        _end_kept()
        raise


def _end_kept() -> None:
    while _KEPT:
        _, workers = _KEPT.popitem()
        with suppress(OSError):
            workers.__exit__()


_look_there = ray.remote(num_cpus=0, max_retries=0)(look)
_serve_there = ray.remote(max_retries=0, num_returns="streaming")(_serve)
"""Made of functions that modules hold; of a decorated one Ray would send a copy, with a `_KEPT` of its own."""
