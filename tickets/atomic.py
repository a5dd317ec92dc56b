"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from tickets.errors import CannotWriteError


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
