"""A lock that one process of all machines holds, as a file that says who.

It is the system's own lock of that file where the file system has such. Elsewhere (some network file systems, Windows)
the file itself is the lock: it has an owner, who touches it every few seconds, and ends with the owner, which another
machine sees by its silence.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

BEAT_S, SILENT_S = 10.0, 120.0
"""Seconds between two signs of life, and of silence after which an owner on another machine is taken for gone."""
UNKNOWN = {getattr(errno, name) for name in ("ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK", "EINVAL")}
"""What a file system answers that has no locks."""
LONGEST = 4096  # bytes of a lock's file that are read
_OPEN: set[int] = set()
"""Descriptors of the files that this process has locked by the system; its forks would hold them as well as it."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock.

    Args:
        host: name of the machine.
        pid: of the process there.
        start: of that process, as its system tells it; "" where it does not.
        is_marker: whether the file is the lock, and not the system's lock of it.
        token: of this one hold.
    """

    host: str
    pid: int
    start: str
    is_marker: bool
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @classmethod
    def me(cls, is_marker: bool) -> Owner:
        """This process."""
        return cls(platform.node(), os.getpid(), _start(os.getpid()), is_marker, secrets.token_hex(8))

    @classmethod
    def of(cls, path: Path) -> Owner | None:
        """Whom a lock's file names; None where there is no file, or one that names nobody."""
        try:
            with path.open("rb") as file:
                found = cls(**json.loads(file.read(LONGEST)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        kinds = {"host": str, "pid": int, "start": str, "is_marker": bool, "token": str}
        return found if all(type(getattr(found, name)) is kind for name, kind in kinds.items()) else None

    def lives(self, path: Path, now: float) -> bool:
        """Whether the owner may still be at it: its process is there, or on another machine it was heard of.

        Args:
            path: of the lock's file.
            now: on the clock of that file's system, in seconds.
        """
        if self.host == platform.node():
            return _start(self.pid) == self.start if self.start else _is_there(self.pid)
        try:
            return now - path.stat().st_mtime < SILENT_S
        except OSError:
            return False


@contextmanager
def taken(path: Path) -> Iterator[Owner | None]:
    """Take a lock for the block; its file is gone afterwards.

    Args:
        path: of its file; the folder exists.

    Returns:
        None, or who holds it, so that it was not taken.

    Raises:
        OSError: the file cannot be made.
    """
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(_by_system(path))
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
            found = stack.enter_context(_by_marker(path))
        yield found


@contextmanager
def unheld(path: Path) -> Iterator[bool]:
    """Keep others from taking a lock in the block, where the system can do that; whether nobody holds it.

    Nothing is written. A lock without a file is free.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield True
        return
    with file:
        try:
            is_free = _locked(file.fileno())
        except OSError:
            owner = Owner.of(path)
            yield owner is None or not owner.lives(path, time.time())
            return
        yield is_free and _marker(path) is None


@contextmanager
def _by_system(path: Path) -> Iterator[Owner | None]:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        _OPEN.add(file)
        try:
            if not _locked(file):
                yield Owner.of(path) or Owner("a machine that is not named", 0, "", False, "")
                return
            if not _is_same(file, path):  # its last holder has just removed it
                continue
            if (other := _marker(path)) is not None:
                yield other
                return
            me = Owner.me(is_marker=False)
            os.ftruncate(file, 0)
            os.write(file, _told(me))
            with _beating(path, me):
                yield None
            return
        finally:
            _OPEN.discard(file)
            os.close(file)


@contextmanager
def _by_marker(path: Path) -> Iterator[Owner | None]:
    me = Owner.me(is_marker=True)
    if (other := _placed(path, me)) is not None:
        yield other
        return
    with _beating(path, me):
        yield None


def _placed(path: Path, me: Owner) -> Owner | None:
    """Have a lock's file name this process; or who holds it."""
    own = path.with_name(f".{path.name}.{me.token}.{me.pid}.tmp")
    own.write_bytes(_told(me))
    try:
        other = Owner.of(path)
        if other is not None and other.lives(path, own.stat().st_mtime):
            return other
        if _replaced(path, own, other):
            return None
        return Owner.of(path) or other or me
    finally:
        own.unlink(missing_ok=True)


def _replaced(path: Path, own: Path, gone: Owner | None) -> bool:
    """Put a file in the place of one whose owner is gone, or which names none; of several that try, one does."""
    guard = path.with_name(f".{path.name}.0.tmp")
    try:
        os.close(os.open(guard, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        with suppress(OSError):
            if own.stat().st_mtime - guard.stat().st_mtime > SILENT_S:
                guard.unlink()
        return False
    try:
        if Owner.of(path) != gone:
            return False
        if gone is not None:
            print(f"the lock {path} of {gone}, which is gone or silent, is taken over.", file=sys.stderr)
        os.replace(own, path)
        return True
    finally:
        guard.unlink(missing_ok=True)


@contextmanager
def _beating(path: Path, me: Owner) -> Iterator[None]:
    """Touch a lock's file every few seconds in the block, and remove it in the end, while it is this process's."""
    is_over = threading.Event()

    def beat() -> None:
        while not is_over.wait(BEAT_S) and Owner.of(path) == me:
            with suppress(OSError):
                os.utime(path)

    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    try:
        yield
    finally:
        is_over.set()
        heart.join()
        with suppress(OSError):  # held to the end: who waits for it sees that it guards no name any more
            if Owner.of(path) == me:
                path.unlink()


def _marker(path: Path) -> Owner | None:
    """The living owner of another machine, where it is the file that is the lock."""
    owner = Owner.of(path)
    return owner if owner is not None and owner.is_marker and owner.lives(path, time.time()) else None


def _locked(file: int) -> bool:
    """Lock an open file by the system; whether nobody else has.

    Raises:
        OSError: of `UNKNOWN`, the system or its file system has no such locks.
    """
    try:
        import fcntl
    except ImportError as error:
        raise OSError(errno.ENOSYS, "no flock") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same(file: int, path: Path) -> bool:
    """Whether an open file is the one that bears the name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _told(owner: Owner) -> bytes:
    return json.dumps(asdict(owner)).encode()


def _start(pid: int) -> str:
    """When a process was started, as Linux counts it; "" for one that is not there, and on other systems."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _is_there(pid: int) -> bool:
    if sys.platform == "win32":  # where signal 0 would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _let_go() -> None:
    """Leave the locks of this fork's parent to it."""
    for file in _OPEN:
        with suppress(OSError):
            os.close(file)
    _OPEN.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
