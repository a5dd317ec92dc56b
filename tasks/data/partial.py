"""Folders that are written under a hidden name and renamed when they are whole; what killed processes left of such.

A folder that is being written is locked by the process that writes it, so that one which nobody will finish is known.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tickets.errors import CannotWriteError

HIDDEN = re.compile(r"\.(?P<name>.+)-[0-9a-f]{8}")
FRESH_S = 10
"""Seconds within which a folder may have been made and not yet locked."""
UNTOLD_S = 3600
"""The same where the system cannot tell who locks a folder: within which it may still be written."""


@contextmanager
def partial(folder: Path) -> Iterator[Path]:
    """A new hidden folder beside `folder`, renamed to it at the end, removed on any error.

    Where another process has finished `folder` meanwhile, that one stays. What killed processes left beside it is
    removed.

    Raises:
        CannotWriteError: the disk does not take it, or it is removed meanwhile.
    """
    try:
        place = hidden(folder)
        place.mkdir(parents=True)
        with locked(place):
            for left in abandoned(folder.parent):
                shutil.rmtree(left, ignore_errors=True)
            try:
                yield place
                _rename(place, folder)
            finally:
                shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        raise CannotWriteError(
            f"the cache folder {folder.parent} cannot be written ({error.strerror or error}); make room, let nobody "
            "remove what is being written there, or set TICKETBENCH_CACHE to another folder."
        ) from error


def put_aside(folder: Path) -> None:
    """Take what cannot be used out of the way, and remove it as far as that is allowed; processes that read it go on.

    Args:
        folder: or a file, or a link.

    Raises:
        CannotWriteError: it cannot be moved.
    """
    aside = hidden(folder)
    try:
        os.rename(folder, aside)
    except FileNotFoundError:  # another process was faster
        return
    except OSError as error:
        raise CannotWriteError(
            f"{folder} is damaged and cannot be moved away ({error.strerror or error}); remove it, or set "
            "TICKETBENCH_CACHE to another folder."
        ) from error
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        with suppress(OSError):
            aside.unlink()


def hidden(folder: Path) -> Path:
    """A new hidden name beside a folder."""
    return folder.parent / f".{folder.name}-{uuid.uuid4().hex[:8]}"


def abandoned(parent: Path) -> list[Path]:
    """The hidden folders that nobody will finish."""
    with suppress(OSError):
        return [path for path in sorted(parent.iterdir()) if HIDDEN.fullmatch(path.name) and not is_written(path)]
    return []


def is_written(place: Path) -> bool:
    """Whether a process may be writing this hidden folder; asks for its lock, and where none is told, for its age."""
    with suppress(OSError):
        if not place.is_dir():
            return False
        age = time.time() - max(path.stat().st_mtime for path in (place, *place.iterdir()))
        try:
            with locked(place, asking=True) as is_told:
                return age < (FRESH_S if is_told else UNTOLD_S)
        except BlockingIOError:
            return True
    return False


@contextmanager
def locked(place: Path, asking: bool = False) -> Iterator[bool]:
    """Hold a folder's lock; whether the system knows such.

    Raises:
        BlockingIOError: another process holds it, and this one is only asking.
    """
    try:
        import fcntl
    except ImportError:
        yield False
        return
    handle = os.open(place, os.O_RDONLY)
    try:
        yield _lock(fcntl, handle, asking)
    finally:
        os.close(handle)


def _lock(fcntl: object, handle: int, asking: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[attr-defined]
    except BlockingIOError:
        if asking:
            raise
        return False
    except OSError:  # as on some network file systems
        return False
    return True


def _rename(place: Path, folder: Path) -> None:
    try:
        os.rename(place, folder)
    except OSError:
        if not (folder / "meta.json").is_file():  # not merely another process that was faster
            raise
