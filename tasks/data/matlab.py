"""MATLAB files, read in a process of their own: a damaged or forged one ends that, or meets its limits, and no more.

scipy's reader is compiled and trusts what a file says of its sizes: a few changed bytes end it with a segmentation
fault or have it ask for gigabytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tickets import bounded
from tickets.errors import DataError

MOST = 64 * bounded.MIB
"""Bytes of a file."""
MEMORY, SECONDS = 1024 * bounded.MIB, 60
"""Of the process that reads it."""

UNREADABLE = "not readable as a MATLAB file"

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from tasks.data.matlab import serve
serve(sys.argv[2], sys.argv[3])
"""


def array(path: Path, key: str) -> np.ndarray:
    """The array of numbers that a file holds under a key.

    Args:
        path: of a file of MATLAB's format 4 or 5.
        key: the variable.

    Raises:
        DataError: no such file, none that can be read within the limits, or one without such an array; names it.
    """
    try:
        bounded.check(path, MOST)
        command = [sys.executable, "-P", "-c", _START, json.dumps(sys.path), os.fspath(path), key]
        one = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # threads' stacks count as memory
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, env=one, check=False)
    except subprocess.TimeoutExpired:
        raise DataError(f"{path}: not read within {SECONDS} seconds; restore the file.") from None
    except OSError as error:
        raise DataError(
            f"{path}: not readable as a MATLAB file ({error.strerror or error}); restore the file."
        ) from error
    header, _, body = done.stdout.partition(b"\n")
    said, _, rest = header.decode(errors="replace").partition(" ")
    if said == "array" and done.returncode == 0:
        dtype, *shape = rest.split()
        return np.frombuffer(body, dtype).reshape([int(side) for side in shape])
    if said == "refused":
        raise DataError(f"{path}: {rest}; restore the file.")
    raise DataError(
        f"{path}: not readable as a MATLAB file (its reader ended with {done.returncode}); restore the file."
    )


def serve(path: str, key: str) -> None:
    """The reading process: a line that says what follows on standard output, and the array."""
    _limit()
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a reader prints goes to standard error
    try:
        found = _array(path, key)
    except Exception as error:  # whatever scipy meets in a damaged file: a dozen kinds of exception
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        is_ours = isinstance(error, DataError)
        sink.write(f"refused {reason if is_ours else f'{UNREADABLE} ({reason})'}\n".encode())
    else:
        sink.write(f"array {found.dtype.str} {' '.join(map(str, found.shape))}\n".encode() + found.tobytes())
    sink.close()


def _array(path: str, key: str) -> np.ndarray:
    from scipy.io import loadmat

    content = loadmat(path)
    if key not in content:
        keys = ", ".join(key for key in content if not key.startswith("__")) or "nothing"
        raise DataError(f"has no key '{key}', but {keys}")
    found = np.asarray(content[key])
    if found.dtype.kind not in "fiu":
        raise DataError(f"'{key}' has shape {found.shape} of {found.dtype}; it must be numbers")
    return np.ascontiguousarray(found)


def _limit() -> None:
    """Bound this process's memory, where the system can."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
