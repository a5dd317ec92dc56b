"""The file that an unfinished job goes on from: whole, proven undamaged, and aware of the time that went before."""

from __future__ import annotations

import hashlib
import io
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from tickets import atomic

EVERY_S = 30.0
HEADER = b"ticketbench checkpoint "
DIGEST = 64


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint is not what was written; the job starts anew."""


class Checkpoint:
    """One job's checkpoint; made when the job's process begins, so that it knows how long the job has taken.

    A file that is damaged is not used: a `DamagedCheckpointWarning` names it, and the job starts from its beginning.

    Args:
        path: of the file; read at once where it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = load_checkpoint(path)
        self._earlier_s = float(self.state.get("wall_s", 0.0)) if self.state else 0.0
        self._started = self._saved = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds that the job has taken: in earlier processes up to their last checkpoint, and in this one."""
        return self._earlier_s + time.monotonic() - self._started

    @property
    def is_due(self) -> bool:
        """Whether it is time to write it again."""
        return time.monotonic() - self._saved > EVERY_S

    def take(self) -> dict[str, Any] | None:
        """The state to go on from, once; None where there is none, or it has been taken."""
        state, self.state = self.state, None
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Write a state, whole or not at all.

        Raises:
            CannotWriteError: the disk does not take it.
        """
        save_checkpoint(self.path, {**state, "wall_s": self.elapsed_s})
        self._saved = time.monotonic()


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state under its digest, whole or not at all.

    Args:
        path: of the file; its folders are made.
        state: tensors and plain values.

    Raises:
        CannotWriteError: the disk does not take it.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    atomic.write(path, HEADER + hashlib.sha256(data).hexdigest().encode() + b"\n" + data)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state in a checkpoint; only tensors and plain values are accepted.

    Files from before there was a digest are read as they are.

    Returns:
        None where there is no file, or a damaged one, of which a `DamagedCheckpointWarning` tells.
    """
    if not path.exists():
        return None
    content = path.read_bytes()
    data = content
    if content.startswith(HEADER):
        start = len(HEADER) + DIGEST + 1
        told, data = content[len(HEADER) : start], content[start:]
        if told != hashlib.sha256(data).hexdigest().encode() + b"\n":
            _not_used(path, "its content has another digest than was written")
            return None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(data), weights_only=True)
    except Exception as error:  # PyTorch, zipfile and pickle each have their own for what is no checkpoint
        _not_used(path, str(error).strip().partition("\n")[0] or type(error).__name__)
        return None
    return state


def _not_used(path: Path, reason: str) -> None:
    warnings.warn(
        f"the checkpoint {path} is damaged ({reason}) and is not used: the job starts from its beginning.",
        DamagedCheckpointWarning,
        stacklevel=4,
    )
