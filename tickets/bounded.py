"""Files that a stranger may have made: what they are and how large is looked at before they are read."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from tickets.plain import DEEPEST, texts

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
MIB = 2**20


def read(path: Path | str, most: int, inside: bool = False) -> bytes:
    """All bytes of a plain file that is not too large.

    Args:
        path: of the file.
        most: bytes that are read; a larger file is refused unread.
        inside: whether a link that leads out of the file's folder is refused.

    Raises:
        OSError: it cannot be read, is a pipe, a device or a folder, is too large, or leads out; its `strerror` says so.
    """
    if inside and os.path.islink(path) and not is_inside(path):
        raise OSError(errno.ELOOP, "it is a link that leads out of its folder; copy the file there instead", str(path))
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe without a writer is opened, too
    with open(descriptor, "rb", buffering=0) as file:
        _check(os.fstat(descriptor), most, path)
        return b"".join(iter(lambda: file.read(most), b""))


def check(path: Path | str, most: int) -> None:
    """See that a file which another reader will open is plain and not too large.

    Raises:
        OSError: as `read`.
    """
    _check(os.stat(path), most, path)


def _check(found: os.stat_result, most: int, path: Path | str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise OSError(errno.EINVAL, f"it is {kind}, and a plain file is wanted", str(path))
    if found.st_size > most:
        told = f"it has {found.st_size / MIB:,.0f} MiB, and at most {most / MIB:,.0f} MiB are read"
        raise OSError(errno.EFBIG, told, str(path))


def parsed(data: bytes | str) -> Any:
    """JSON data of some text.

    Raises:
        ValueError: it is none, or is nested too deep to be anybody's data; part of a sentence.
    """
    try:
        found = json.loads(data)
    except RecursionError as error:
        raise ValueError(f"it is nested more than {DEEPEST} deep") from error
    for _ in texts(found):
        pass  # which sees how deep it is
    return found


def is_inside(path: Path | str) -> bool:
    """Whether what a path leads to lies in, or below, the folder that the path itself lies in."""
    folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    return os.path.realpath(path).startswith(os.path.join(folder, ""))
