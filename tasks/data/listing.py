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

CHUNK = 8192  # names that are taken out of the arrays at a time

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

    Raises:
        DataError: a file is missing, as what a link led to; names it.
    """
    texts, labels = [], array("i")
    lengths, sizes, times = array("q", [0]), array("q"), array("q")
    for label, folder in enumerate(folders):
        found = sorted(below(place / folder, is_one))
        names = [f"{folder}/{path}" for path, _, _ in found]
        texts.append("".join(names))
        lengths.extend(map(len, names))
        labels.extend([label] * len(found))
        sizes.extend(size for _, size, _ in found)
        times.extend(time for _, _, time in found)
    every = Names("".join(texts), np.cumsum(np.frombuffer(lengths, np.int64)), np.arange(len(labels)))
    rest = np.frombuffer(labels, np.int32), np.frombuffer(sizes, np.int64), np.frombuffer(times, np.int64)
    return Listing(place, every, *rest)


def below(place: Path, is_one: Callable[[str], bool], prefix: str = "") -> Iterator[Found]:
    """The files of these names anywhere in a folder, links followed, in no order; a folder that cannot be read is
    passed over.
    """
    with suppress(OSError), _entries(place) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from below(place / entry.name, is_one, f"{prefix}{entry.name}/")
            elif is_one(entry.name):
                try:
                    state = entry.stat()
                except OSError as error:
                    raise missing(place / entry.name, error) from error
                yield prefix + entry.name, state.st_size, state.st_mtime_ns


@contextmanager
def _entries(place: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    """What lies in a folder, looked up from there where the system can, which is half the work of whole paths."""
    if os.scandir not in os.supports_fd:
        with os.scandir(place) as entries:
            yield entries
        return
    opened = os.open(place, os.O_RDONLY)
    try:
        with os.scandir(opened) as entries:
            yield entries
    finally:
        os.close(opened)
