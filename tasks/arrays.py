"""Samples decoded once, in parallel, into memory-mapped arrays: the cache that every task reads from.

This module and whatever defines a reader are loaded by the decoding processes, so neither imports torch at
its top.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from PIL import Image

from tickets.errors import DataError, UserError

if TYPE_CHECKING:
    from torch import Tensor

VAL_SHARE = 10  # one name in so many is held out of train as val
CHUNK = 32  # samples that a decoding process is given at a time
PARTS = ("all", "val", "train")  # of built arrays, each with its fingerprint

Row = dict[str, np.ndarray]
Progress = Callable[[str, int, int], None]


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


@dataclass(frozen=True)
class Job:
    """All samples of one official split, and how each is decoded.

    Args:
        samples: in the order of the arrays' rows.
        read: a module-level function, importable by name without torch, from a sample and the size (H, W) to
            arrays: the same keys, shapes and dtypes for every sample. "image" is uint8 (H, W, 3), stored as
            (3, H, W).
        size: (H, W) in pixels.
    """

    samples: Sequence[Sample]
    read: Callable[[Sample, tuple[int, int]], Row]
    size: tuple[int, int]

    def row(self, index: int) -> Row:
        """Decode one sample into arrays as they are stored.

        Raises:
            DataError: the sample's file cannot be read; names it.
        """
        row = decoded(self.samples[index], self.read, self.size)
        if "image" in row:
            row["image"] = np.ascontiguousarray(row["image"].transpose(2, 0, 1))
        return row

    def stamp(self) -> str:
        """16 hex digits that change with the samples, their files' names, sizes and times, the size and the
        reader.

        Raises:
            DataError: a file is missing; names it.
        """
        digest = hashlib.blake2b(repr((self.size, _source_of(self.read))).encode(), digest_size=8)
        known = states(self.samples)
        for sample in self.samples:
            group = (sample.group,) if sample.group else ()
            digest.update(repr((sample.name, sample.extra, [known[f] for f in sample.files], *group)).encode())
        return digest.hexdigest()


def decoded(sample: Sample, read: Callable[..., Row], *size: tuple[int, int]) -> Row:
    """What a reader makes of a sample.

    Raises:
        DataError: the sample's file cannot be read; names it.
    """
    try:
        return {key: np.asarray(value) for key, value in read(sample, *size).items()}
    except OSError as error:
        raise DataError(f"{sample.where}: cannot be read ({error}); restore the file.") from error


@dataclass(frozen=True, eq=False)
class Arrays:
    """A map-style torch data set over memory-mapped arrays.

    Args:
        folder: where `build` left them.
        columns: key of a sample -> name of the array in the folder.
        rows: the arrays' rows that belong to this split, int64 (N,).
    """

    folder: Path
    columns: Mapping[str, str]
    rows: np.ndarray

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

    @cached_property
    def _open(self) -> dict[str, np.ndarray]:
        """The arrays, mapped on first use in each process."""
        return {key: np.load(self.folder / f"{name}.npy", mmap_mode="r") for key, name in self.columns.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_open"}


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


def picture(path: Path, mode: str | None = "RGB") -> Image.Image:
    """A whole image file, decoded.

    Args:
        path: any format that Pillow reads.
        mode: Pillow's mode to convert to; None keeps the file's own (label images).

    Raises:
        DataError: missing, truncated or no image; names the file.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image if mode is None else image.convert(mode)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "missing" if isinstance(error, FileNotFoundError) else f"not readable as an image ({error})"
        raise DataError(f"{path}: {reason}; restore the file or remove it from the set.") from error


def build(
    folder: Path,
    job: Job,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    check: Callable[[Mapping[str, np.ndarray], int], Iterable[tuple[int, str]]] | None = None,
) -> None:
    """Decode a job's samples into `folder`, which appears complete or not at all.

    Several processes may build the same folder at once: the first to finish wins, and the contents are the
    same.

    Args:
        folder: holds afterwards one .npy file for each key, rows in the samples' order, and `meta.json`.
        job: what to decode.
        workers: decoding processes; with 1, or few samples, this process decodes.
        progress: called with (done, all) samples.
        check: from some rows' arrays and the first one's number to (row, what is wrong) pairs.

    Raises:
        DataError: a sample cannot be decoded, differs in shape from the first, or fails the check; names its
            file.
        UserError: the folder cannot be written.
    """
    if len(job.samples) == 0:
        raise DataError("the data set has no samples; give a folder that holds some.")
    with _temporary(folder) as place:
        first = job.row(0)
        arrays = {
            key: np.lib.format.open_memmap(place / f"{key}.npy", "w+", value.dtype, (len(job.samples), *value.shape))
            for key, value in first.items()
        }
        _decode(job, place, arrays, workers, progress or (lambda done, total: None))
        for array in arrays.values():
            array.flush()
        if check is not None:
            _refuse(check, arrays, job.samples)
        (place / "meta.json").write_text(json.dumps(_meta(arrays, job.samples)))


def meta(folder: Path) -> Meta | None:
    """What stands beside built arrays; None where none are.

    Raises:
        Damaged: it cannot be read.
    """
    try:
        found = json.loads((folder / "meta.json").read_text())
        return Meta(
            count=int(found["count"]),
            val_rows=[int(row) for row in found["val_rows"]],
            fingerprints={part: str(found["fingerprints"][part]) for part in PARTS},
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
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
    key, state = (folder, *sorted(parts)), _state(folder)
    if _verified.get(key) != state:
        _hold(folder, beside, key[1:])
        _verified[key] = state
    return beside


_verified: dict[tuple[Path | str, ...], list[tuple[str, int, int]]] = {}
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
        for part in _parts(count, 512):
            digest.update(np.ascontiguousarray(array[part] if rows is None else array[rows[part]]))
    return digest.hexdigest()


def _meta(arrays: Mapping[str, np.ndarray], samples: Sequence[Sample]) -> Meta:
    """Fingerprints of the whole and of the two slices, and which rows are val."""
    beside = Meta(count=len(samples), val_rows=val_rows_of(samples), fingerprints={})
    prints = {part: fingerprint(arrays, rows_of(beside, part)) for part in ("val", "train")}
    return {**beside, "fingerprints": {"all": fingerprint(arrays), **prints}}


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


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


def _source_of(function: Callable) -> str:
    """A hash of the file that defines a function, so that a changed reader decodes again."""
    source = getattr(sys.modules.get(function.__module__), "__file__", None)
    return hashlib.blake2b(Path(source).read_bytes() if source else b"", digest_size=8).hexdigest()


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, renamed to it at the end, removed on any error."""
    place = folder.parent / f".{folder.name}-{uuid.uuid4().hex[:8]}"
    try:
        place.mkdir(parents=True)
    except OSError as error:
        raise UserError(
            f"the cache folder {folder.parent} cannot be written ({error.strerror}); "
            "set TICKETBENCH_CACHE to a folder that can."
        ) from error
    try:
        yield place
        try:
            os.rename(place, folder)
        except OSError:
            if not (folder / "meta.json").exists():  # not merely another process that was faster
                raise
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _refuse(check: Callable, arrays: Mapping[str, np.ndarray], samples: Sequence[Sample]) -> None:
    for part in _parts(len(samples), 256):
        for row, wrong in check({key: array[part] for key, array in arrays.items()}, part.start):
            raise DataError(f"{samples[row].where}: {wrong}")


def _store(job: Job, arrays: Mapping[str, np.ndarray], indices: Iterable[int]) -> None:
    """Decode these samples into their rows."""
    for index in indices:
        row = job.row(index)
        if (got := _shapes(row)) != (wanted := {k: (a.shape[1:], a.dtype.str) for k, a in arrays.items()}):
            raise DataError(
                f"{job.samples[index].where}: decodes to {got}, unlike the set's first sample {wanted}; "
                "remove the file or resample it in the reader."
            )
        for key, value in row.items():
            arrays[key][index] = value


def _shapes(row: Row) -> dict[str, tuple[tuple[int, ...], str]]:
    return {key: (value.shape, value.dtype.str) for key, value in row.items()}


def _decode(job: Job, place: Path, arrays: Mapping[str, np.ndarray], workers: int, progress: Callable) -> None:
    total, done = len(job.samples), 0
    chunks = [range(total)[part] for part in _parts(total, CHUNK)]
    if workers <= 1 or len(chunks) < 4 or job.read.__module__ == "__main__":
        for chunk in chunks:
            _store(job, arrays, chunk)
            done += len(chunk)
            progress(done, total)
        return
    with ExitStack() as stack, ThreadPoolExecutor(workers) as threads:
        children = [stack.enter_context(_Child(job, place)) for _ in range(min(workers, len(chunks)))]
        idle = list(children)

        def work(chunk: range) -> int:
            child = idle.pop()
            try:
                return child.store(chunk)
            finally:
                idle.append(child)

        futures = [threads.submit(work, chunk) for chunk in chunks]
        try:
            for future in as_completed(futures):
                done += future.result()
                progress(done, total)
        finally:
            for future in futures:
                future.cancel()


_START = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from tasks.arrays import serve; serve()"


class _Child:
    """A fresh Python process that decodes what it is asked to.

    Not multiprocessing's: that imports the caller's main module again, with the torch it may import, and
    cannot start from a script without a main guard, from standard input, or from a daemonic process.
    """

    def __init__(self, job: Job, place: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._send(sys.path)
        self._send((job, place))

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def _send(self, message: Any) -> None:
        pickle.dump(message, self.process.stdin)
        self.process.stdin.flush()

    def store(self, chunk: range) -> int:
        """Decode the chunk there; how many samples it held.

        Raises:
            DataError: as raised there.
            RuntimeError: the reader has a bug, or the process died.
        """
        try:
            self._send(chunk)
            reply = pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError(f"a decoding process ended with code {self.process.wait()}") from error
        if isinstance(reply, Exception):
            raise reply
        return len(chunk)


def serve() -> None:
    """The decoding process: chunks of indices from standard input, an error or None for each to standard
    output."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a reader prints goes to standard error
    try:
        job, place = pickle.load(source)
        arrays = None
        while True:
            chunk = pickle.load(source)
            arrays = arrays or {file.stem: np.load(file, mmap_mode="r+") for file in place.glob("*.npy")}
            pickle.dump(_outcome(job, arrays, chunk), sink)
            sink.flush()
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        os._exit(0)  # the parent has what it wanted, or was interrupted


def _outcome(job: Job, arrays: Mapping[str, np.ndarray], chunk: range) -> Exception | None:
    try:
        _store(job, arrays, chunk)
    except UserError as error:
        return type(error)(*error.args)
    except Exception:  # handed to the parent, which raises it
        return RuntimeError(f"the reader failed in a decoding process:\n{traceback.format_exc()}")
    return None
