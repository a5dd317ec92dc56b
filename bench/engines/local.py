"""Worker processes: a function and its arguments in, progress and a result out."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, cast

from bench.engines.contract import KILLED_TRIES, Death, Message
from bench.engines.forking import environment, uninterrupted, warmed, without_main
from tickets.errors import UserError

LEAVE_S = 8.0  # seconds that a training has for its step and its checkpoint
WAKE_S = 0.5  # between two looks around while nothing is heard
TRIES = 3
LEFT = 0  # exit code of a process that was asked to end
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def ended(code: int) -> str:
    """What is known of a process that ended before its call did, as part of a sentence.

    Args:
        code: its exit code; that of a signal is negative.
    """
    if code >= 0:
        return f"ended by itself with code {code}"
    name = signal.Signals(code * -1).name if -code in {*signal.Signals} else f"signal {-code}"
    short = ", as a system does that is short of memory" if name == "SIGKILL" else ""
    return f"was ended by {name}{short}"


class Workers:
    """Up to `count` Python processes that each do one call at a time and live until closed.

    Args:
        count: processes; started when first needed.
        threads: OpenMP threads of each, set before anything is imported.
        preload: modules that all will need. Where that is safe they are imported once for all workers, which are then
            forked (`bench.engines.forking`). Without any, or where it is not, each worker is a fresh process.
        gpus: as CUDA_VISIBLE_DEVICES names them; each worker sees one, which fewest others see. Without any, each sees
            what this process sees.
        apart: whether each leads a process group of its own: who ends this process' group leaves it to its checkpoint.
    """

    is_one_machine = True

    def __init__(self, count: int, threads: int, preload: Sequence[str] = (), gpus: Sequence[str] = (),
                 apart: bool = False) -> None:  # fmt: skip
        self.count, self.threads, self.preload, self.gpus, self.apart = count, threads, preload, gpus, apart
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, Any]] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        """End the processes: a job that is being trained writes its checkpoint first, if it can do so soon."""
        processes = [worker.process for worker in (*self._idle, *(worker for worker, _ in self._busy.values()))]
        try:
            for process in processes:
                process.terminate()
            deadline = time.monotonic() + LEAVE_S
            for process in processes:
                process.join(max(0.0, deadline - time.monotonic()))
        finally:
            for process in processes:
                process.kill()
                process.join()

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
        """Begin a call, as `bench.engines.contract.Engine` has it.

        Raises:
            UserError: worker processes end before they have begun.
        """
        for _ in range(self.count + TRIES):
            worker = self._idle.pop() if self._idle else self._begun()
            try:
                worker.pipe.send((function, args))
            except OSError:  # it has gone while it had nothing to do
                worker.process.join()
                how = ended(worker.process.exitcode or 0)
                print(f"a worker process without a job {how}; another takes its place.", file=sys.stderr)
                continue
            self._busy[worker.pipe] = (worker, key)
            return
        raise UserError(f"no worker process stays alive: the last one {how}; see what ends them, or try fewer --jobs.")

    def _begun(self) -> _Worker:
        """One more process."""
        return _Worker(self.warm(), self.threads, self._gpu(), self.apart)

    def _gpu(self) -> str | None:
        """The device that another worker gets."""
        seen = Counter(worker.gpu for worker in (*self._idle, *(worker for worker, _ in self._busy.values())))
        return min(self.gpus, key=seen.__getitem__) if self.gpus else None

    def messages(self) -> Iterator[Message]:
        """Wait for the next messages of running calls, of which there must be one; gives all that are at hand."""
        while not (told := wait([*self._busy], WAKE_S)):
            continue  # in steps, since what Ray cancels is interrupted between them
        for pipe in cast("list[Connection]", told):  # gives back what it was given
            worker, key = self._busy[pipe]
            try:
                kind, value = pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                kind, value = "died", death(worker.process.exitcode or 0)
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
                    raise RuntimeError(f"{message.value.why}, in {function}")


def death(code: int) -> Death:
    """What a call's end is where its process ended so; one that ended by itself would do so again."""
    return Death(f"its worker process {ended(code)}", KILLED_TRIES if code < 0 else 0)


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, context: BaseContext, threads: int, gpu: str | None, apart: bool) -> None:
        self.gpu = gpu
        self.pipe, theirs = context.Pipe()
        told = {"OMP_NUM_THREADS": str(threads)} | ({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})
        forks = context.get_start_method() == "forkserver"  # whose processes are born uninterrupted
        with environment(told):  # there before anything is imported
            args = theirs, dict(os.environ), apart
            process: BaseProcess = context.Process(target=_serve, args=args)  # type: ignore[attr-defined]
            try:
                with without_main(), nullcontext() if forks else uninterrupted():
                    process.start()
            except BaseException:  # an interruption: nobody knows the process, and the interpreter would wait for it
                if process.pid is not None:
                    process.kill()
                raise
        self.process = process
        theirs.close()


def _serve(pipe: Connection, environment: Mapping[str, str], apart: bool) -> None:
    """The worker's loop: calls until the other side is gone."""
    if apart and hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    os.environ.clear()  # a fork has that of its server
    os.environ.update(environment)
    importlib.invalidate_caches()

    def report(progress: Any) -> None:
        try:
            pipe.send(("progress", progress))
        except OSError:  # nobody listens any more
            if not leaves():
                os._exit(0)

    _heed_signals()
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
    except BaseException as error:
        if type(error).__name__ != "Left":  # of a module that imports torch
            raise
        os._exit(LEFT)


def leaves() -> bool:
    """Have this process end at its training's next checkpoint, which is due; whether it trains."""
    training = sys.modules.get("tickets.training.checkpoint")
    return training is not None and training.LEAVING.ask()


def _heed_signals() -> None:
    """Leave interruptions to the runner, which a terminal tells, too; end when asked to, trainings at a checkpoint."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGUSR2"):  # by which Slurm announces the end of a job's time, to all of its processes
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    own = os.getpid()

    def leave(number: int, frame: object) -> None:
        if os.getpid() != own or not leaves():  # a loader is a copy of this process
            os._exit(128 + number)

    for number in ENDING:
        signal.signal(number, leave)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, *ENDING})
