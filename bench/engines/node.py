"""What an engine does on a node of a cluster: looks whether the run can be done there, and does calls in a process."""

from __future__ import annotations

import os
import platform
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.engines.contract import Message
from bench.engines.local import Workers
from bench.records import members
from tickets.errors import CannotWriteError, UserError

OURS = ("bench", "tasks", "tickets")
VARIABLES = "TICKETBENCH_"
"""What environment variables are called that a node gets from the runner."""
TOLD_S = 0.25
"""Seconds between two messages about a call's progress."""


def _variables() -> dict[str, str]:
    """The environment of this process that nodes get: the project's own."""
    return {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}


def _path() -> tuple[str, ...]:
    """Where this process finds modules; those of a plug-in need not be installed."""
    return tuple(os.path.abspath(folder) for folder in sys.path)


@dataclass(frozen=True)
class Call:
    """A call on its way to a node.

    Args:
        function: "module:name".
        args: of it.
        threads: of the process that does it.
        variables: of the runner's environment.
        path: on which the runner finds modules.
    """

    function: str
    args: tuple[Any, ...]
    threads: int
    variables: Mapping[str, str] = field(default_factory=_variables)
    path: tuple[str, ...] = field(default_factory=_path)


@dataclass(frozen=True)
class Seen:
    """What a node sees.

    Args:
        host: its name.
        missing: folders that are another machine's there.
        code: of this project.
    """

    host: str
    missing: tuple[str, ...]
    code: str


def code() -> str:
    """A digest of the project's code as it is installed here."""
    return " ".join(members.digest(members.sources(package)) for package in OURS)


def look(marks: Mapping[Path, Path]) -> Seen:
    """What this machine sees of folders, by something in each that is there on the runner's."""
    return Seen(platform.node(), tuple(str(folder) for folder, mark in marks.items() if not mark.exists()), code())


@contextmanager
def marked(folders: Sequence[Path]) -> Iterator[dict[Path, Path]]:
    """A file in each folder, for as long as the block takes, that tells another machine whether it sees the same one.

    Raises:
        CannotWriteError: a folder takes none.
    """
    name = f".seen-by-nodes.{secrets.token_hex(4)}.{os.getpid()}.tmp"
    files = {folder: folder / name for folder in folders}
    try:
        for file in files.values():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        yield files
    except OSError as error:
        raise CannotWriteError(f"cannot write {file}: {error.strerror or error}.") from error
    finally:
        for file in files.values():
            file.unlink(missing_ok=True)


def check(seen: Seen, ours: str) -> None:
    """See that a node can do a run's jobs.

    Args:
        seen: by it.
        ours: digest of the runner's code.

    Raises:
        UserError: it does not see the run's folders, or has other code.
    """
    if seen.missing:
        raise UserError(
            f"the node {seen.host} does not see {' and '.join(seen.missing)}; have them on a file system that all "
            "nodes share, by --home and TICKETBENCH_CACHE."
        )
    if seen.code != ours:
        raise UserError(
            f"the node {seen.host} has other code of ticketbench than this machine; install the same on both."
        )


def served(call: Call, workers: Workers, every_s: float = TOLD_S) -> Iterator[Message]:
    """Do a call in a worker process and hand on what it says; of its progress not all.

    Args:
        call: to be done.
        workers: with a free process.
        every_s: seconds between two messages about its progress.
    """
    os.environ.update(call.variables)
    sys.path += [folder for folder in call.path if folder not in sys.path]
    workers.start(None, call.function, *call.args)
    told = -every_s
    while workers.is_busy:
        for message in workers.messages():
            if message.kind != "progress":
                yield message
            elif time.monotonic() - told > every_s:
                told = time.monotonic()
                yield message
