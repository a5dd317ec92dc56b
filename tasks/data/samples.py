"""What a sample is before it is decoded, and how val is taken out of train. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def val_rows_of(samples: Sequence[Sample]) -> list[int]:
    """The rows of these training samples that form val."""
    return val_rows([sample.group or sample.name for sample in samples])


def parted(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The official train split -> {"train": ..., "val": ...}, by the same rule as decoded arrays.

    Raises:
        DataError: there are no samples.
    """
    if not samples:
        raise DataError("the data set has no samples; give a folder that holds some.")
    held = set(val_rows_of(samples))
    return {
        "train": [sample for row, sample in enumerate(samples) if row not in held],
        "val": [sample for row, sample in enumerate(samples) if row in held],
    }


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
            raise DataError(
                f"{file}: missing ({error.strerror}); restore the file or remove it from the set."
            ) from error
        known[file] = (file.name, state.st_size, state.st_mtime_ns)
    return known
