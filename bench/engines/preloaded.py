"""Imported by the process that workers are forked from: imports in its turn what its starter names.

A failure is nobody's yet: the worker imports again what it needs and tells. An interruption is its starter's.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal

from bench.engines.forking import NAMES

DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux' prctl(2)."""


def _import(names: list[str]) -> None:
    """Import modules; one that cannot be imported is left to those who need it."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)  # else who waits for its output waits for the imports
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for name in names:
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(name)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # for the workers, until they are ready to ignore them
    signal.signal(signal.SIGINT, before)


if NAMES in os.environ:
    _import(os.environ[NAMES].split())
