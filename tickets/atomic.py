"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from tickets.errors import CannotWriteError, UserError


def write(path: Path, data: bytes) -> None:
    """Write a file under a temporary name in the same folder, then rename it; folders are made.

    Args:
        path: of the file; an older one of that name is replaced, or kept if this fails.
        data: all of it.

    Raises:
        CannotWriteError: it cannot be written, as on a full disk; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CannotWriteError(f"cannot write {path}: {error.strerror or error}.") from error


def is_there(path: Path, data: bytes) -> bool:
    """Whether a file with this very content is there already.

    Raises:
        UserError: there is something else of that name, which must not be overwritten.
    """
    try:
        if not path.exists():
            return False
        if path.is_file() and path.read_bytes() == data:
            return True
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; name another place.") from error
    raise UserError(f"{path} has other content, and nothing there is overwritten; name another place.")
