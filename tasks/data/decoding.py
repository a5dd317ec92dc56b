"""Samples decoded once, in parallel, into arrays.

This module and whatever defines a reader are loaded by the decoding processes, so neither imports torch at
its top.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from tasks.data.arrays import Meta, fingerprint, let_go, parts, rows_of
from tasks.data.partial import partial
from tasks.data.samples import Check, Row, Sample, hashed, many, val_rows_of
from tickets.errors import CannotWriteError, DataError, UserError

CHUNK = 32  # samples that a decoding process is given at a time


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
        return hashed(digest, many(self.samples).told(with_times=True))


def decoded(sample: Sample, read: Callable[..., Row], *size: tuple[int, int]) -> Row:
    """What a reader makes of a sample.

    Raises:
        DataError: the sample's file cannot be read; names it.
    """
    try:
        return {key: np.asarray(value) for key, value in read(sample, *size).items()}
    except OSError as error:
        raise DataError(f"{sample.where}: cannot be read ({error}); restore the file.") from error


def build(
    folder: Path,
    job: Job,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    check: Check | None = None,
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
        CannotWriteError: the folder cannot be written, the disk is full, or somebody removes it meanwhile.
    """
    if len(job.samples) == 0:
        raise DataError("the data set has no samples; give a folder that holds some.")
    with partial(folder) as place:
        first = job.row(0)
        arrays = {key: _reserved(place, key, value, len(job.samples)) for key, value in first.items()}
        _decode(job, place, arrays, workers, progress or (lambda done, total: None))
        for array in arrays.values():
            array.flush()
        if check is not None:
            _refuse(check, arrays, job.samples)
        (place / "meta.json").write_text(json.dumps(_meta(arrays, job.samples)))


def _meta(arrays: Mapping[str, np.ndarray], samples: Sequence[Sample]) -> Meta:
    """Fingerprints of the whole and of the two slices, and which rows are val."""
    beside = Meta(count=len(samples), val_rows=val_rows_of(samples), fingerprints={})
    prints = {part: fingerprint(arrays, rows_of(beside, part)) for part in ("val", "train")}
    return {**beside, "fingerprints": {"all": fingerprint(arrays), **prints}}


def _source_of(function: Callable[..., object]) -> str:
    """A hash of the file that defines a function, so that a changed reader decodes again."""
    source = getattr(sys.modules.get(function.__module__), "__file__", None)
    return hashlib.blake2b(Path(source).read_bytes() if source else b"", digest_size=8).hexdigest()


def _reserved(place: Path, key: str, value: np.ndarray, count: int) -> np.memmap:
    """A new array for so many values, whose room on the disk is taken now: else a full one ends the process later,
    by a signal.

    Raises:
        OSError: there is no room.
    """
    array = np.lib.format.open_memmap(place / f"{key}.npy", "w+", value.dtype, (count, *value.shape))
    if hasattr(os, "posix_fallocate"):
        with (place / f"{key}.npy").open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    return array


def _refuse(check: Check, arrays: Mapping[str, np.ndarray], samples: Sequence[Sample]) -> None:
    for part in parts(len(samples), 256):
        for row, wrong in check({key: array[part] for key, array in arrays.items()}, part.start):
            raise DataError(f"{samples[row].where}: {wrong}")
        let_go(arrays.values())


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
    let_go(arrays.values())


def _shapes(row: Row) -> dict[str, tuple[tuple[int, ...], str]]:
    return {key: (value.shape, value.dtype.str) for key, value in row.items()}


def _decode(
    job: Job, place: Path, arrays: Mapping[str, np.ndarray], workers: int, progress: Callable[[int, int], None]
) -> None:
    total, done = len(job.samples), 0
    chunks = [range(total)[part] for part in parts(total, CHUNK)]
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


_START = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from tasks.data.decoding import serve
serve()
"""


class _Child:
    """A fresh Python process that decodes what it is asked to.

    Not multiprocessing's: that imports the caller's main module again, with the torch it may import, and
    cannot start from a script without a main guard, from standard input, or from a daemonic process.
    """

    def __init__(self, job: Job, place: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.sink, self.source = cast(IO[bytes], self.process.stdin), cast(IO[bytes], self.process.stdout)  # both PIPE
        self._send(sys.path)
        self._send((job, place))

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(BrokenPipeError):
            self.sink.close()
        self.source.close()
        self.process.wait()

    def _send(self, message: Any) -> None:
        pickle.dump(message, self.sink)
        self.sink.flush()

    def store(self, chunk: range) -> int:
        """Decode the chunk there; how many samples it held.

        Raises:
            DataError: as raised there.
            CannotWriteError: the arrays were cut or removed.
            UserError: the process was killed.
            RuntimeError: the reader has a bug, or the process ended by itself.
        """
        try:
            self._send(chunk)
            reply = pickle.load(self.source)
        except (EOFError, BrokenPipeError) as error:
            raise _ended(self.process.wait(), chunk) from error
        if isinstance(reply, Exception):
            raise reply
        return len(chunk)


def _ended(code: int, chunk: range) -> Exception:
    """What is known of a decoding process that ended with samples undone."""
    where = f"a decoding process at samples {chunk.start} to {chunk.stop - 1}"
    if code == -getattr(signal, "SIGBUS", 0):
        return CannotWriteError(
            f"{where} found its arrays cut (SIGBUS); the disk is full, or somebody changed the cache folder meanwhile: "
            "run the command again."
        )
    if code < 0:
        return UserError(
            f"{where} was ended by {signal.Signals(-code).name}, as a system does that is short of memory; see to that "
            "and run the command again."
        )
    return RuntimeError(f"{where} ended with code {code}")


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
    except OSError as error:  # of the arrays: a sample's is a DataError
        return CannotWriteError(f"the arrays that are written cannot be opened ({error}); run the command again.")
    except Exception:  # handed to the parent, which raises it
        return RuntimeError(f"the reader failed in a decoding process:\n{traceback.format_exc()}")
    return None
