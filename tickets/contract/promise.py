"""Promises and verdicts: a check is a function under the sentence that it proves."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

S = TypeVar("S")
Check = Callable[[S], str]


class Broken(Exception):
    """A promise is not kept; the message says which, with the value found."""


class Doubted(Exception):
    """A promise is kept, and a person should know what the message says."""


class Skipped(Exception):
    """A check does not apply; the message says why."""


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Args:
        check: the promise, as a sentence without a full stop.
        outcome: whether it is kept.
        detail: what was looked at, or what is wrong.
    """

    check: str
    outcome: Literal["passed", "warning", "FAILED", "skipped"]
    detail: str


class Contract(Generic[S]):
    """What every member of one noun promises.

    Args:
        through: errors that say nothing of the member, as of data that are missing; a verdict lets them through.
    """

    def __init__(self, through: tuple[type[Exception], ...] = ()) -> None:
        self.through = through
        self.checks: dict[str, Check[S]] = {}
        """The promises in the order in which they are checked; each returns what it looked at."""

    def promise(self, text: str) -> Callable[[Check[S]], Check[S]]:
        """Add a check under the sentence that it proves; it returns what it looked at, or raises."""

        def added(check: Check[S]) -> Check[S]:
            self.checks[text] = check
            return check

        return added

    def verdict(self, text: str, subject: S) -> Verdict:
        """Check one of the promises; whatever error the member raises is a promise that it does not keep."""
        try:
            return Verdict(text, "passed", self.checks[text](subject))
        except Doubted as reason:
            return Verdict(text, "warning", str(reason))
        except Skipped as reason:
            return Verdict(text, "skipped", str(reason))
        except Broken as reason:
            return Verdict(text, "FAILED", str(reason))
        except self.through:
            raise
        except Exception as error:  # whatever the member raises: the report names it and goes on
            return Verdict(text, "FAILED", _told(error))

    def verdicts(self, subject: S) -> Iterator[Verdict]:
        """Check all promises, one after the other."""
        return (self.verdict(text, subject) for text in self.checks)


def _told(error: Exception) -> str:
    """An error as one line, with the place of the member or of ours that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    at = next((frame for frame in reversed(frames) if "site-packages" not in frame.filename), frames[-1])
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({at.filename}, line {at.lineno})"


def require(kept: Any, wrong: str) -> None:
    """Go on where something holds.

    Raises:
        Broken: it does not; says what is wrong.
    """
    if not kept:
        raise Broken(wrong)
