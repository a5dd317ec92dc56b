"""A tree of files as samples, held as arrays: a million in a hundred megabytes, where objects take ten times as much.

Imports no torch.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data.samples import Many, Sample, missing
from tickets.errors import DataError

CHUNK = 8192  # names that are taken out of the arrays at a time

LEFT_BEHIND = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "Thumbs.db"}
"""Names that systems give to what they leave in folders of the user's."""

Identity = tuple[int, int]
"""Of a folder: its device and its number there."""

Found = tuple[str, int, int]
"""A file: its path below a folder, with /, its bytes, and its modification time in ns."""


@dataclass(frozen=True, eq=False)
class Names(Sequence[str]):
    """Some of many names.

    Args:
        text: all of them, one after the other.
        ends: where each ends in it, after a first 0, int64 (M + 1,).
        rows: which ones these are, int64 (N,).
    """

    text: str
    ends: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        """One name by its number; those of a slice."""
        rows = self.rows[index]
        if isinstance(index, slice):
            return replace(self, rows=rows)
        return self.text[self.ends[rows] : self.ends[rows + 1]]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), CHUNK):
            rows = self.rows[start : start + CHUNK]
            for begin, end in zip(self.ends[rows].tolist(), self.ends[rows + 1].tolist(), strict=True):
                yield self.text[begin:end]


@dataclass(frozen=True, eq=False)
class Listing(Many):
    """Samples of one file each, named by its path below a folder, with a whole number as their extra.

    Args:
        place: the folder.
        names: of the samples.
        labels: their extras, int32 (M,), as the next two by the rows of the names.
        sizes: bytes of the files, int64 (M,).
        times: when they were changed, in ns, int64 (M,).
    """

    place: Path
    names: Names
    labels: np.ndarray
    sizes: np.ndarray
    times: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: Any) -> Any:
        """One sample by its number; those of a slice."""
        if isinstance(index, slice):
            return replace(self, names=self.names[index])
        name = self.names[index]
        return Sample(name, (self.place / name,), int(self.labels[self.names.rows[index]]))

    @property
    def groups(self) -> Names:
        """Each sample is a group."""
        return self.names

    def part(self, rows: np.ndarray) -> Listing:
        """Some of the samples; the arrays are shared."""
        return replace(self, names=replace(self.names, rows=self.names.rows[rows]))

    def told(self, with_times: bool) -> Iterator[str]:
        """As `Many.told`, from the arrays."""
        for start in range(0, len(self), CHUNK):
            part = self[start : start + CHUNK]
            columns = [column[part.names.rows].tolist() for column in (self.labels, self.sizes, self.times)]
            for name, label, size, time in zip(part.names, *columns, strict=True):
                state = f"{size}, {time}" if with_times else size
                file = name[name.rfind("/") + 1 :]
                yield f"({name!r}, {label}, [({file!r}, {state})])"  # what repr gives, in half the time


def listed(place: Path, folders: Sequence[str], is_one: Callable[[str], bool]) -> Listing:
    """The files of some folders, by folder, then by path; each folder's number is its files' label.

    Args:
        place: holds the folders.
        folders: their names; files may lie in folders below.
        is_one: whether a file of this name belongs to them.

    A link to a folder above or to another of the folders is passed over, so that each file counts once, as its own.

    Raises:
        DataError: a file is missing, as what a link led to, or a name is no UTF-8; names it.
    """
    seen = ancestors(place) | {identity(place)}
    own = [identity(place / folder) for folder in folders]
    texts, labels = [], array("i")
    lengths, sizes, times = array("q", [0]), array("q"), array("q")
    for label, folder in enumerate(folders):
        inside = place / folder
        found = sorted(below(inside, is_one, seen={*seen, *own} - {own[label]}))
        names = [f"{folder}/{in_utf8(inside, path)}" for path, _, _ in found]
        texts.append("".join(names))
        lengths.extend(map(len, names))
        labels.extend([label] * len(found))
        sizes.extend(size for _, size, _ in found)
        times.extend(time for _, _, time in found)
    every = Names("".join(texts), np.cumsum(np.frombuffer(lengths, np.int64)), np.arange(len(labels)))
    rest = np.frombuffer(labels, np.int32), np.frombuffer(sizes, np.int64), np.frombuffer(times, np.int64)
    return Listing(place, every, *rest)


def below(
    place: Path, is_one: Callable[[str], bool], prefix: str = "", seen: set[Identity] | None = None
) -> Iterator[Found]:
    """The files of these names anywhere in a folder, links followed, in no order; hidden folders, those of systems and
    folders that cannot be read are passed over. Paths may be no UTF-8, which `in_utf8` refuses of those that are read.

    Args:
        place: where to look.
        is_one: whether a file of this name is wanted.
        prefix: of the paths that are given.
        seen: folders that are passed over, wherever a link to them stands; each that is entered is added.

    Raises:
        DataError: a file is missing, as what a link led to; names it.
    """
    seen = set() if seen is None else seen
    with suppress(OSError), _entries(place) as (own, entries):
        if own in seen:
            return
        seen.add(own)
        for entry in entries:
            if entry.is_dir():
                if not is_hidden(entry.name):
                    yield from below(place / entry.name, is_one, f"{prefix}{entry.name}/", seen)
            elif not is_hidden(entry.name) and is_one(entry.name):
                try:
                    state = entry.stat()
                except OSError as error:
                    raise missing(place / entry.name, error) from error
                yield prefix + entry.name, state.st_size, state.st_mtime_ns


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's: hidden, or left behind by a system."""
    return name.startswith(".") or name in LEFT_BEHIND


def in_utf8(place: Path, name: str) -> str:
    """The name of a file or folder, or a path below `place`, which must be one that records and messages can tell.

    Raises:
        DataError: it is no UTF-8, as on disks of older systems.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        told = os.fsencode(place / name).decode("utf-8", "backslashreplace")
        raise DataError(f"{told}: its name is no UTF-8; rename it.") from None
    return name


def ancestors(place: Path) -> set[Identity]:
    """The folders that a folder lies in, which no link below it may lead back to."""
    return {identity(folder) for folder in Path(os.path.realpath(place)).parents}


def identity(place: Path) -> Identity:
    """What a folder is, however it is reached."""
    state = place.stat()
    return state.st_dev, state.st_ino


@contextmanager
def _entries(place: Path) -> Iterator[tuple[Identity, Iterator[os.DirEntry[str]]]]:
    """What a folder is and what lies in it, looked up from there where the system can: half the work of whole paths."""
    if os.scandir not in os.supports_fd:
        with os.scandir(place) as entries:
            yield identity(place), entries
        return
    opened = os.open(place, os.O_RDONLY)
    try:
        state = os.fstat(opened)
        with os.scandir(opened) as entries:
            yield (state.st_dev, state.st_ino), entries
    finally:
        os.close(opened)
