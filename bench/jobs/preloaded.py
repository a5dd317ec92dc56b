"""Imported by the process that workers are forked from: imports in its turn what its starter names.

A failure is nobody's yet: the worker imports again what it needs and tells. An interruption ends the process quietly,
and so does its end: what has been imported has nothing to tidy up, and would take a second to.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import signal

from bench.jobs.forking import NAMES


def _import(names: list[str]) -> None:
    """Import modules; one that cannot be imported is left to those who need it."""
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    signal.signal(signal.SIGINT, before)
    atexit.register(os._exit, 0)  # the last one registered is the first to be called


if NAMES in os.environ:
    _import(os.environ[NAMES].split())
