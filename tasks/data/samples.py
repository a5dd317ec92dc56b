"""What a sample is before it is decoded, and how val is taken out of train. Imports no torch."""

from __future__ import annotations

import hashlib
import itertools
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tickets.errors import DataError

SPLITS = ("train", "val", "test")
IGNORED = 255  # the label of pixels that no loss and no metric looks at
VAL_SHARE = 10  # one name in so many is held out of train as val

Row = dict[str, Any]  # by key an array, or a NumPy scalar
Progress = Callable[[str, int, int], None]  # told (split, samples done, samples in all)
Check = Callable[[Mapping[str, np.ndarray], int], Iterable[tuple[int, str]]]  # as `Task.check`


@dataclass(frozen=True)
class Sample:
    """What a reader needs to decode one sample.

    Args:
        name: unique within its split, the same on every machine; its hash decides between train and val.
        files: the files it is read from, the one to name in an error first; a change of any (name, size,
            time) decodes the split again.
        extra: more for the reader, in plain Python values (numbers, strings, tuples): a class index, a crop,
            joints.
        group: samples of one group, as the people in one photograph, are never parted between train and val;
            the sample's name where empty.
    """

    name: str
    files: tuple[Path, ...] = ()
    extra: Any = None
    group: str = ""

    @property
    def where(self) -> str:
        """The file to name in a message, or the sample's name where it has none."""
        return str(self.files[0]) if self.files else self.name


def is_val(name: str) -> bool:
    """Whether a training sample of this name is held out as val: about one in ten, the same ones on every
    machine."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % VAL_SHARE == 0


def val_rows(groups: Sequence[str]) -> list[int]:
    """The rows of train that form val, by their groups; where the hash picks none or all, the first one's group."""
    rows = [row for row, group in enumerate(groups) if is_val(group)]
    return rows if 0 < len(rows) < len(groups) else [row for row, group in enumerate(groups) if group == groups[0]]


class Many(Sequence[Sample]):
    """Samples that answer for all of themselves at once, however they are kept."""

    @property
    @abstractmethod
    def groups(self) -> Sequence[str]:
        """Of each sample its group, or its name where it has none."""

    @abstractmethod
    def part(self, rows: np.ndarray) -> Sequence[Sample]:
        """The samples of these rows."""

    @abstractmethod
    def told(self, with_times: bool) -> Iterator[str]:
        """Of each sample a text that tells its name, extra, and its files' names and sizes.

        Args:
            with_times: tell when the files were changed, and the samples' groups, too.

        Raises:
            DataError: a file is missing; names it.
        """


@dataclass(frozen=True, eq=False)
class Few(Many):
    """Samples that are all there as objects."""

    samples: Sequence[Sample]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        """One sample by its number; those of a slice."""
        return self.samples[index]

    @property
    def groups(self) -> list[str]:
        """As objects, too."""
        return [sample.group or sample.name for sample in self.samples]

    def part(self, rows: np.ndarray) -> list[Sample]:
        """The samples of these rows."""
        return [self.samples[row] for row in rows]

    def told(self, with_times: bool) -> Iterator[str]:
        """As `Many.told`."""
        known = states(self.samples)
        for sample in self.samples:
            files = [known[file][: 3 if with_times else 2] for file in sample.files]
            group = (sample.group,) if with_times and sample.group else ()
            yield repr((sample.name, sample.extra, files, *group))


def many(samples: Sequence[Sample]) -> Many:
    """These samples, answering for all of themselves."""
    return samples if isinstance(samples, Many) else Few(samples)


def hashed(digest: hashlib.blake2b, texts: Iterator[str]) -> str:
    """The hexadecimal digits of a digest after some texts; thousands at a time are joined, which hash alike."""
    while some := "".join(itertools.islice(texts, 4096)):
        digest.update(some.encode())
    return digest.hexdigest()


def val_rows_of(samples: Sequence[Sample]) -> list[int]:
    """The rows of these training samples that form val."""
    return val_rows(many(samples).groups)


def parted(samples: Sequence[Sample]) -> dict[str, Sequence[Sample]]:
    """The official train split -> {"train": ..., "val": ...}, by the same rule as decoded arrays.

    Raises:
        DataError: there are no samples.
    """
    if not samples:
        raise DataError("the data set has no samples; give a folder that holds some.")
    is_held = np.zeros(len(samples), dtype=bool)
    is_held[val_rows_of(samples)] = True
    rows = {"train": np.flatnonzero(~is_held), "val": np.flatnonzero(is_held)}
    return {name: many(samples).part(part) for name, part in rows.items()}


def states(samples: Iterable[Sample]) -> dict[Path, tuple[str, int, int]]:
    """(name, bytes, modification time in ns) of every file that the samples are read from.

    Raises:
        DataError: a file is missing; names it.
    """
    known: dict[Path, tuple[str, int, int]] = {}
    for file in (file for sample in samples for file in sample.files):
        if file in known:
            continue
        try:
            state = file.stat()
        except OSError as error:
            raise missing(file, error) from error
        known[file] = (file.name, state.st_size, state.st_mtime_ns)
    return known


def missing(file: Path, error: OSError) -> DataError:
    """The error for a file that cannot be looked at."""
    return DataError(f"{file}: missing ({error.strerror}); restore the file or remove it from the set.")
