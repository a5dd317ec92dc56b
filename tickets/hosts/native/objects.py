"""Compiled kernels as files: shipped in a wheel, kept in the user's cache, or compiled now by the system's compiler.

A file's name holds a hash of the sources and of the compiler's flags, so other kernels have another name. It is
written under a name of its own first, so processes that compile at once do not disturb each other. One in the cache is
loaded only if it is what was written: loading half a file can end a process.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tickets.cache import cache_folder
from tickets.errors import UserError
from tickets.hosts.native.processor import InstructionSet

SOURCES = Path(__file__).with_name("kernels")
SHIPPED = Path(__file__).with_name("compiled")
"""Where wheels hold objects; a checkout has none."""
MAIN = "kernels.cpp"
FLAGS = ("-O2", "-std=c++17", "-ffp-contract=fast", "-fPIC", "-shared", "-fvisibility=hidden", "-w")
ATTEMPTS = (("-fopenmp", "-fno-predictive-commoning"), ("-fopenmp",), ())
"""Further flags, tried in turn: without the first the kernels run on one thread, with the same bits; the second is for
GCC alone, which otherwise spills registers in the depthwise kernels' gradient."""
REALS = {"f32": "float", "f64": "double"}


class UnavailableError(UserError):
    """There are no kernels for this machine, and none can be made; the message says why in one sentence."""


@cache
def key(kind: InstructionSet, real: str) -> str:
    """A hash of everything that decides what is compiled, beside the compiler."""
    parts = [path.read_bytes() for path in sorted(SOURCES.iterdir())]
    parts.append(" ".join((kind.name, *kind.flags, *FLAGS, REALS[real])).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def file_name(kind: InstructionSet, real: str) -> str:
    """Of the object for an instruction set and "f32" or "f64"."""
    return f"kernels-{kind.name}-{real}-{key(kind, real)}.so"


def places(kind: InstructionSet, real: str) -> Iterator[Path]:
    """Where the object may lie, in the order in which it is looked for."""
    name = file_name(kind, real)
    yield SHIPPED / name
    yield cache_folder() / "native" / name


def is_whole(path: Path) -> bool:
    """Whether an object is there, and is what was written there; those of a wheel are its installer's to check."""
    with suppress(OSError):
        return (path.parent == SHIPPED and path.is_file()) or _sum_of(path).read_bytes() == _digest(path)
    return False


def _sum_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).hexdigest().encode()


def compiler() -> str | None:
    """The path of a C++ compiler: $CXX, or the system's."""
    names = (os.environ.get("CXX"), "c++", "g++", "clang++")
    return next((path for name in names if name and (path := shutil.which(name))), None)


def command(kind: InstructionSet, real: str, compiled: Path, more: Sequence[str] = ATTEMPTS[0]) -> list[str]:
    """What compiles an object, with some further flags.

    Raises:
        UnavailableError: there is no compiler.
    """
    found = compiler()
    if found is None:
        raise UnavailableError("there is no C++ compiler ($CXX, c++, g++ and clang++ were looked for)")
    flags = [*FLAGS, *kind.flags, *more, f"-DREAL={REALS[real]}"]
    return [found, *flags, str(SOURCES / MAIN), "-o", str(compiled)]


@dataclass
class Build:
    """An object that is there already, or is being compiled by a process of its own from now on.

    Args:
        kind: instruction set.
        real: "f32" or "f64".

    Raises:
        UnavailableError: neither.
    """

    kind: InstructionSet
    real: str = "f32"
    is_needed: bool = field(init=False)
    _running: subprocess.Popen[str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        *_, self.target = places(self.kind, self.real)
        self._there = next((path for path in places(self.kind, self.real) if is_whole(path)), None)
        self.is_needed = self._there is None
        if self.is_needed:
            self._part = self.target.with_name(f".{self.target.name}.{uuid.uuid4().hex}")
            self._start()

    def _start(self, more: Sequence[str] = ATTEMPTS[0]) -> None:
        words = command(self.kind, self.real, self._part, more)
        try:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            with self._part.open("wb"):  # so that a folder which takes no files is told as that
                pass
            self._running = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
            )
        except OSError as error:
            raise UnavailableError(f"{error.filename} cannot be written or run ({error.strerror})") from error

    def path(self) -> Path:
        """The object's file, once it is there.

        Raises:
            UnavailableError: the compiler failed.
        """
        if self._there is None:
            try:
                self._there = self._finished()
            finally:
                self.close()
        return self._there

    def close(self) -> None:
        """End a compiler that still runs, and remove what it has written."""
        if self._running is not None and self._running.poll() is None:
            os.killpg(self._running.pid, signal.SIGKILL)  # what it has started, too
            self._running.communicate()
        if self.is_needed:
            for path in (self._part, _sum_of(self._part)):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _finished(self) -> Path:
        """The compiled file under its name."""
        said = self._failure()
        for more in ATTEMPTS[1:] if said else ():
            self._start(more)
            if not (said := self._failure()):
                break
        if said:
            raise UnavailableError(f"the compiler failed: {said}")
        try:
            _sum_of(self._part).write_bytes(_digest(self._part))
            _sum_of(self._part).replace(_sum_of(self.target))
            return self._part.replace(self.target)
        except OSError as error:
            raise UnavailableError(f"{self.target} cannot be written ({error.strerror})") from error

    def _failure(self) -> str:
        """The first telling line of what the compiler said where it failed; "" where it did not."""
        assert self._running is not None
        said, _ = self._running.communicate()
        if self._running.returncode == 0 and self._part.is_file() and self._part.stat().st_size:
            return ""
        lines = [line for line in said.splitlines() if line.strip()]
        telling = [line for line in lines if "error" in line or "failed" in line] or lines
        return telling[0].strip() if telling else f"it ended with code {self._running.returncode}"
