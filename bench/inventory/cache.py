"""The decoded images that tasks keep for every home, as folders that can be made again."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tasks.data.partial import is_written
from tickets.cache import cache_folder

_FOLDER = re.compile(r"(?P<unfinished>\.)?(train|val|test)-\d+x\d+-[0-9a-f]{16}(?(unfinished)-[0-9a-f]{8})")


@dataclass(frozen=True)
class Decoded:
    """The decoded images of one split of a data set at one size.

    Args:
        data: the data set's name in the cache, as in "figures".
        folder: where its arrays lie.
        size: their bytes.
        is_being_built: whether a process may be writing it now.
        is_left: whether a process was killed while it wrote it, so that nothing will ever read it.
    """

    data: str
    folder: Path
    size: int
    is_being_built: bool
    is_left: bool


def decoded() -> list[Decoded]:
    """What lies in the cache, by data set and folder; what was not put there by this package is left out."""
    folders = [path for path in cache_folder().glob("*/*") if path.is_dir() and _FOLDER.fullmatch(path.name)]
    return [_seen(path) for path in sorted(folders)]


def _seen(folder: Path) -> Decoded:
    is_hidden = folder.name.startswith(".")
    being_built = is_hidden and is_written(folder)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return Decoded(folder.parent.name, folder, size, being_built, is_hidden and not being_built)


def remove(one: Decoded) -> None:
    """Delete a folder of decoded images, and that of its data set where it was the last.

    Raises:
        OSError: it cannot be deleted.
    """
    shutil.rmtree(one.folder)
    if not any(one.folder.parent.iterdir()):
        one.folder.parent.rmdir()
