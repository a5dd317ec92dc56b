"""What a grid asks of an engine: calls in, and messages about them out; the engines differ in this alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

Report = Callable[[Any], None]

KILLED_TRIES, LOST_TRIES = 1, 5
"""Further tries of a call whose process was ended from outside, and of one whose whole node was lost or taken away."""


@dataclass(frozen=True)
class Message:
    """What is known of the call with this key.

    Args:
        key: as given to `Engine.start`.
        kind: "progress", "result", "refused" (a UserError), or "died" where the call ended without either.
        value: the progress, the result, the error's sentence, or a `Death`.
    """

    key: Any
    kind: str
    value: Any


@dataclass(frozen=True)
class Death:
    """How a call ended that has no result.

    Args:
        why: a part of a sentence, as in "its worker process was ended by SIGKILL".
        tries: how many further ones it justifies.
    """

    why: str
    tries: int = 0


@runtime_checkable
class Retriable(Protocol):
    """An argument of a call that tells whoever computes it that it is not the first try."""

    def again(self, why: str) -> Self:
        """The same for another try.

        Args:
            why: a sentence about the last one.
        """


class Engine(Protocol):
    """Runs calls; a context that ends them where they are, at their checkpoints if they have such."""

    @property
    def is_one_machine(self) -> bool:
        """Whether all calls share this machine's memory, so that fewer at once have more of it."""

    @property
    def free(self) -> int:
        """How many more calls can start now."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def start(self, key: Any, function: str, *args: Any) -> None:
        """Begin a call.

        Args:
            key: says which call it is; any value.
            function: "module:name"; called with `args` and a function that reports progress.
            args: plain values.

        Raises:
            UserError: it cannot begin.
        """

    def messages(self) -> Iterator[Message]:
        """Wait for the next messages of running calls, of which there must be one; gives all that are at hand."""
