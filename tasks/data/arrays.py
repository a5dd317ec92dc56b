"""Decoded samples in memory-mapped arrays, and what stands beside them: the cache that tasks read from."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from tasks.data.split import AtOnce

if TYPE_CHECKING:
    from torch import Tensor

PARTS = ("all", "val", "train")  # of built arrays, each with its fingerprint


class Meta(TypedDict):
    """What stands in `meta.json` beside built arrays.

    Args:
        count: samples, rows of every array.
        val_rows: the rows that form val where it is a slice of them.
        fingerprints: of the parts "all", "val" and "train", as `fingerprint` gives them.
    """

    count: int
    val_rows: list[int]
    fingerprints: dict[str, str]


class Damaged(Exception):
    """A folder's arrays are no longer those that were decoded into it; the message says what is wrong."""


@dataclass(frozen=True, eq=False)
class Arrays(AtOnce):
    """A split over memory-mapped arrays.

    Args:
        folder: where `tasks.data.decoding.build` left them.
        columns: key of a sample -> name of the array in the folder.
        rows: the arrays' rows that belong to this split, int64 (N,).
        digest: the fingerprint of their content.
    """

    folder: Path
    columns: Mapping[str, str]
    rows: np.ndarray
    digest: str

    def fingerprint(self) -> str:
        """Of the content."""
        return self.digest

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One sample, as stored: {"image": uint8 (3, H, W), ...}; copies, so that changing them changes no
        file."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of a split of {len(self)}")
        return {key: value[0] for key, value in self.gather([index]).items()}

    def gather(self, indices: Sequence[int] | np.ndarray | Tensor) -> dict[str, Tensor]:
        """Several samples at once: {"image": uint8 (B, 3, H, W), ...}, in the order asked for; copies."""
        import torch

        rows = self.rows[np.asarray(indices, dtype=np.int64)]
        return {key: torch.from_numpy(np.asarray(array[rows])) for key, array in self._open.items()}

    take = gather

    def images(self, most: int) -> Iterator[tuple[int, np.ndarray]]:
        """All of them: they are decoded."""
        for part in parts(len(self), 256):
            rows = range(part.start, part.stop)
            yield from zip(rows, self._open["image"][self.rows[part]].transpose(0, 2, 3, 1), strict=True)
            let_go(self._open.values())

    @cached_property
    def _open(self) -> dict[str, np.ndarray]:
        """The arrays, mapped on first use in each process."""
        return {key: np.load(self.folder / f"{name}.npy", mmap_mode="r") for key, name in self.columns.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_open"}


def meta(folder: Path) -> Meta | None:
    """What stands beside built arrays; None where none are.

    Raises:
        Damaged: it cannot be read, or there is something else of that name.
    """
    if not os.path.lexists(folder):
        return None
    if not folder.is_dir():
        raise Damaged("it is no folder")
    try:
        found = json.loads((folder / "meta.json").read_text())
        return Meta(
            count=int(found["count"]),
            val_rows=[int(row) for row in found["val_rows"]],
            fingerprints={part: str(found["fingerprints"][part]) for part in PARTS},
        )
    except FileNotFoundError as error:
        raise Damaged("its meta.json is missing") from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Damaged(f"its meta.json cannot be read ({error})") from error


def verified(folder: Path, parts: Iterable[str]) -> Meta | None:
    """What stands beside built arrays, whose content it was held against; None where none are.

    The content is read once a process, and again where a file's size or time has changed.

    Args:
        folder: as `build` left it.
        parts: whose fingerprints count: "all", or "train" and "val".

    Raises:
        Damaged: the content has other fingerprints, or cannot be read.
    """
    if (beside := meta(folder)) is None:
        return None
    key, state = (folder, tuple(sorted(parts))), _state(folder)
    if _verified.get(key) != state:
        _hold(folder, beside, key[1])
        _verified[key] = state
    return beside


_verified: dict[tuple[Path, tuple[str, ...]], list[tuple[str, int, int]]] = {}
"""The folders and parts that this process has verified, and the states of the files when it did."""


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """(name, bytes, modification time in ns) of the files in a folder."""
    files = [(file.name, file.stat()) for file in sorted(folder.iterdir())]
    return [(name, state.st_size, state.st_mtime_ns) for name, state in files]


def _hold(folder: Path, beside: Meta, parts: Iterable[str]) -> None:
    try:
        arrays = {file.stem: np.load(file, mmap_mode="r") for file in folder.glob("*.npy")}
        counts = {key: len(array) for key, array in arrays.items()}
        if not arrays or set(counts.values()) != {beside["count"]}:
            raise Damaged(f"its arrays have {counts} rows, not {beside['count']}")
        now = {part: fingerprint(arrays, None if part == "all" else rows_of(beside, part)) for part in parts}
    except Damaged:
        raise
    except Exception as error:  # whatever NumPy meets in a damaged file
        raise Damaged(f"its arrays cannot be read ({error})") from error
    for part, value in now.items():
        if value != (known := beside["fingerprints"][part]):
            raise Damaged(f"its arrays have the fingerprint {value}, and {known} when they were decoded")


def rows_of(beside: Meta, part: str) -> np.ndarray:
    """The rows, int64, of a part of built arrays: "all", "val" or "train"."""
    rows = np.arange(beside["count"], dtype=np.int64)
    held = np.isin(rows, beside["val_rows"])
    return rows if part == "all" else rows[held if part == "val" else ~held]


def fingerprint(arrays: Mapping[str, np.ndarray], rows: Sequence[int] | np.ndarray | None = None) -> str:
    """16 hex digits of the arrays' content: names, dtypes, shapes and values of the rows (all of them by
    default)."""
    digest = hashlib.blake2b(digest_size=8)
    for key in sorted(arrays):
        array = arrays[key]
        count = len(array) if rows is None else len(rows)
        digest.update(repr((key, array.dtype.str, (count, *array.shape[1:]))).encode())
        for part in parts(count, 512):
            digest.update(np.ascontiguousarray(array[part] if rows is None else array[rows[part]]).data)
            let_go([array])
    return digest.hexdigest()


def let_go(arrays: Iterable[np.ndarray]) -> None:
    """Take what was read or written of mapped arrays out of this process' memory, where the system can.

    It stays in the system's cache of the files, which gives it again; so a pass over an array takes the memory of a
    part of it. Other arrays are left as they are.
    """
    for array in arrays:
        if isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            array.base.madvise(mmap.MADV_DONTNEED)


def parts(count: int, size: int) -> Iterator[slice]:
    """So many rows, some at a time."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
