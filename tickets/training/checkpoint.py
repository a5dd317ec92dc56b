"""The file that an unfinished job goes on from: whole, proven undamaged, and aware of the time that went before."""

from __future__ import annotations

import hashlib
import io
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from tickets import atomic

EVERY_S = 30.0
HEADER = b"ticketbench checkpoint "
DIGEST = 64
TURNS = "turns"
"""The key that the states of several trainings stand under."""


class Left(BaseException):
    """The process was asked to end, and the job's state has been written: no error, and nothing is to be caught."""


class Leaving:
    """Whether this process has been asked to end; while a training runs, that waits for its checkpoint.

    Args:
        is_asked: for.
        is_training: whether a checkpoint will be written soon.
    """

    is_asked = False
    is_training = False

    def ask(self) -> bool:
        """Have the running training write its checkpoint after its step and raise `Left`; whether there is one."""
        self.is_asked = self.is_training
        return self.is_training

    @contextmanager
    def training(self) -> Iterator[None]:
        """A training runs in the block, and looks after every step whether its checkpoint is due."""
        before, self.is_training = self.is_training, True
        try:
            yield
        finally:
            self.is_training = before


LEAVING = Leaving()


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint is not what was written; the job starts anew."""


class Checkpoint:
    """One job's checkpoint; made when the job's process begins, so that it knows how long the job has taken.

    A file that is damaged is not used: a `DamagedCheckpointWarning` names it, and the job starts from its beginning.
    One that is sound but another's shows only when a training takes it over; until then it `is_in_doubt`.

    Args:
        path: of the file; read at once where it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = load_checkpoint(path)
        self.is_in_doubt = self.state is not None
        self._earlier_s = float(self.state.get("wall_s", 0.0)) if self.state else 0.0
        self._started = self._saved = time.monotonic()

    def fits(self) -> None:
        """To be called once a training has taken over what the file held."""
        self.is_in_doubt = False

    def refuse(self, error: Exception) -> None:
        """Forget what the file held, since no training can go on from it; a `DamagedCheckpointWarning` says so."""
        self.state, self.is_in_doubt, self._earlier_s = None, False, 0.0
        _not_used(self.path, f"{type(error).__name__}: {error}")

    @property
    def elapsed_s(self) -> float:
        """Seconds that the job has taken: in earlier processes up to their last checkpoint, and in this one."""
        return self._earlier_s + time.monotonic() - self._started

    @property
    def is_due(self) -> bool:
        """Whether it is time to write it again, at the latest when the process has been asked to end."""
        return LEAVING.is_asked or time.monotonic() - self._saved > EVERY_S

    def take(self) -> dict[str, Any] | None:
        """The state to go on from, once; None where there is none, or it has been taken."""
        state, self.state = self.state, None
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Write a state, whole or not at all.

        Raises:
            CannotWriteError: the disk does not take it.
            Left: it is written, and the process was asked to end.
        """
        save_checkpoint(self.path, {**state, "wall_s": self.elapsed_s})
        self._saved = time.monotonic()
        if LEAVING.is_asked:
            raise Left


class Turn(Checkpoint):
    """What a job's checkpoint holds of one training among several that follow each other.

    Those before it have left their last state, which their own turns give again, so that a training that was done goes
    on from its end.

    Args:
        whole: the job's checkpoint.
        states: of all trainings so far, in their order; shared by all turns, and changed.
        number: of this training, from 0.
    """

    def __init__(self, whole: Checkpoint, states: list[dict[str, Any]], number: int) -> None:
        self.whole, self.states, self.number = whole, states, number
        self.state = states[number] if number < len(states) else None
        self.is_in_doubt = self.state is not None

    def fits(self) -> None:
        """Of the job's."""
        self.is_in_doubt = False
        self.whole.fits()

    @property
    def elapsed_s(self) -> float:
        """The job's."""
        return self.whole.elapsed_s

    @property
    def is_due(self) -> bool:
        """Whether it is time to write the job's again."""
        return self.whole.is_due

    def save(self, state: dict[str, Any]) -> None:
        """Write this training's state beside those of the others.

        Raises:
            CannotWriteError: the disk does not take it.
        """
        self.states[self.number : self.number + 1] = [state]
        self.whole.save({TURNS: self.states})


def turns(whole: Checkpoint | None, count: int) -> list[Checkpoint | None]:
    """A job's checkpoint as one for each of its trainings, which follow each other; the job's own for a single one."""
    if whole is None or count == 1:
        return [whole] * count
    states = list((whole.take() or {}).get(TURNS, ()))
    return [Turn(whole, states, number) for number in range(count)]


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
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _not_used(path, error.strerror or str(error))
        _clear(path)
        return None
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
    if wrong := _misshapen(state):
        _not_used(path, wrong)
        return None
    return state


def _misshapen(state: Any) -> str:
    """What of a state's outermost layout is no checkpoint's, or ""."""
    if not isinstance(state, dict):
        return f"it holds a {type(state).__name__}"
    seconds = state.get("wall_s", 0.0)
    return "" if isinstance(seconds, int | float) and 0 <= seconds < float("inf") else f"its wall_s is {seconds!r}"


def _clear(path: Path) -> None:
    """Take what is no file, and what a file could not replace, out of the way."""
    with suppress(OSError):
        path.rename(path.with_name(f".{path.name}.{time.monotonic_ns()}.tmp"))


def _not_used(path: Path, reason: str) -> None:
    warnings.warn(
        f"the checkpoint {path} is damaged ({reason}) and is not used: the job starts from its beginning.",
        DamagedCheckpointWarning,
        stacklevel=4,
    )
