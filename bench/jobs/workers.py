"""Worker processes: a function and its arguments in, progress and a result out."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, cast

from bench.jobs.forking import environment, warmed, without_main
from tickets.errors import UserError

Report = Callable[[Any], None]


@dataclass(frozen=True)
class Message:
    """What a worker says about the call with this key.

    Args:
        key: as given to `Workers.start`.
        kind: "progress", "result", "refused" (a UserError), or "died" where the process ended without either.
        value: the progress, the result, the error's sentence, or the exit code.
    """

    key: Any
    kind: str
    value: Any


class Workers:
    """Up to `count` Python processes that each do one call at a time and live until closed.

    Args:
        count: processes; started when first needed.
        threads: OpenMP threads of each, set before anything is imported.
        preload: modules that all will need. Where that is safe they are imported once for all workers, which are then
            forked (`bench.jobs.forking`). Without any, or where it is not, each worker is a fresh process.
    """

    def __init__(self, count: int, threads: int, preload: Sequence[str] = ()) -> None:
        self.count, self.threads, self.preload = count, threads, preload
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, Any]] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        """End the processes; what they were doing is lost since their last checkpoint."""
        for worker in (*self._idle, *(worker for worker, _ in self._busy.values())):
            worker.process.terminate()
        for worker in (*self._idle, *(worker for worker, _ in self._busy.values())):
            worker.process.join()

    def warm(self) -> BaseContext:
        """Begin to import in the background what is preloaded, and return; else that waits for the first call."""
        return warmed(self.preload, self.threads) if self.preload else get_context("spawn")

    @property
    def free(self) -> int:
        """How many more calls can start now."""
        return self.count - len(self._busy)

    @property
    def is_busy(self) -> bool:
        """Whether a call is running."""
        return bool(self._busy)

    def start(self, key: Any, function: str, *args: Any) -> None:
        """Begin a call.

        Args:
            key: says which call it is; any value.
            function: "module:name"; called with `args` and a function that reports progress.
            args: plain values.
        """
        worker = self._idle.pop() if self._idle else _Worker(self.warm(), self.threads)
        worker.pipe.send((function, args))
        self._busy[worker.pipe] = (worker, key)

    def messages(self) -> Iterator[Message]:
        """Wait for the next messages of running calls, of which there must be one; gives all that are at hand."""
        for pipe in cast("list[Connection]", wait(list(self._busy))):  # gives back what it was given
            worker, key = self._busy[pipe]
            try:
                kind, value = pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                kind, value = "died", worker.process.exitcode
            if kind != "progress":
                del self._busy[pipe]
            if kind in ("result", "refused"):
                self._idle.append(worker)
            yield Message(key, kind, value)

    def call(self, function: str, *args: Any) -> Any:
        """Do one call and wait for its result.

        Raises:
            UserError: the call's own.
            RuntimeError: the process ended without one; its traceback stands on stderr.
        """
        self.start(None, function, *args)
        while True:
            for message in self.messages():
                if message.kind == "result":
                    return message.value
                if message.kind == "refused":
                    raise UserError(message.value)
                if message.kind == "died":
                    raise RuntimeError(f"a worker process ended with code {message.value} in {function}")


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, context: BaseContext, threads: int) -> None:
        self.pipe, theirs = context.Pipe()
        with environment({"OMP_NUM_THREADS": str(threads)}):  # there before anything is imported
            process: BaseProcess = context.Process(target=_serve, args=(theirs, dict(os.environ)))  # type: ignore[attr-defined]
            with without_main():
                process.start()
        self.process = process
        theirs.close()


def _serve(pipe: Connection, environment: Mapping[str, str]) -> None:
    """The worker's loop: calls until the other side is gone."""
    os.environ.clear()  # a fork has that of its server
    os.environ.update(environment)
    importlib.invalidate_caches()

    def report(progress: Any) -> None:
        try:
            pipe.send(("progress", progress))
        except OSError:  # nobody listens any more: end here, and leave the rest to the last checkpoint
            os._exit(0)

    try:
        while True:
            function, args = pipe.recv()
            module, _, name = function.partition(":")
            try:
                answer = ("result", getattr(importlib.import_module(module), name)(*args, report))
            except UserError as error:
                answer = ("refused", str(error))
            pipe.send(answer)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
