"""The process that workers are forked from: it has imported what they need, once for all.

It is multiprocessing's fork server, of which a process has one. It ends with the thread that started it, however that
ends; its workers end when they next have something to tell.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from types import ModuleType

NAMES = "TICKETBENCH_PRELOAD"
"""The environment variable that tells `bench.engines.preloaded` what to import, parted by spaces."""
_SERVED: list[int] = []
"""The OpenMP threads of the fork server of this process, once it has been started; libraries read them but once."""


def warmed(modules: Sequence[str], threads: int) -> BaseContext:
    """Have modules imported in the background from now on; returns the context whose processes will have them.

    Where a fork is not safe (macOS' libraries start threads) or not known, or the fork server of this process has
    other threads than asked for, it is that of fresh processes.

    Args:
        modules: that start no thread when they are imported, or such as survive a fork (NumPy's do).
        threads: of OpenMP.
    """
    if sys.platform != "linux" or (_SERVED and [threads] != _SERVED):
        return multiprocessing.get_context("spawn")
    if not _SERVED:
        _SERVED.append(threads)
        _start(
            {
                NAMES: " ".join(modules),
                "OMP_NUM_THREADS": str(threads),
                "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
                "PYTHONSAFEPATH": "1",  # else the current folder would come first, and might hold another `bench`
            }
        )
    return multiprocessing.get_context("forkserver")


def _start(variables: Mapping[str, str]) -> None:
    from multiprocessing import forkserver, resource_tracker  # only here: Windows has none

    resource_tracker.ensure_running()  # else it would be started with the server, and let interruptions through
    forkserver.set_forkserver_preload(["bench.engines.preloaded"])
    with uninterrupted(), environment(variables):
        forkserver.ensure_running()
    forkserver.set_forkserver_preload([])  # of one that is started because this one was killed


@contextmanager
def uninterrupted(*more: int) -> Iterator[None]:
    """Processes that are started in the block are not interrupted by a terminal until they say that they can be.

    Args:
        more: signals that they do not heed, either; this process gets them after the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *more})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def without_main() -> Iterator[None]:
    """Processes that are started in the block do not run their starter's main module again.

    multiprocessing would import it for what is pickled from it, which nothing of ours is. So a script needs no
    `if __name__ == "__main__"`, and its statements run once.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Processes that are started in the block have these variables, too; nothing else is touched."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
