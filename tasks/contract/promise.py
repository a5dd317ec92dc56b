"""Promises and verdicts: a check is a function under the sentence that it proves."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tasks.contract.subject import Subject
from tickets.errors import UserError


class Broken(Exception):
    """A promise is not kept; the message says which, with the value found."""


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
    outcome: Literal["passed", "FAILED", "skipped"]
    detail: str


Check = Callable[[Subject], str]
CHECKS: dict[str, Check] = {}
"""The promises in the order in which they are checked; each returns what it looked at."""


def promise(text: str) -> Callable[[Check], Check]:
    """Add a check under the sentence that it proves; it returns what it looked at, or raises."""

    def added(check: Check) -> Check:
        CHECKS[text] = check
        return check

    return added


def verdict(text: str, subject: Subject) -> Verdict:
    """Check one of the promises.

    Raises:
        UserError: the data are missing or damaged (`DataError`), so that nothing can be said of the adapter.
    """
    try:
        return Verdict(text, "passed", CHECKS[text](subject))
    except Skipped as reason:
        return Verdict(text, "skipped", str(reason))
    except Broken as reason:
        return Verdict(text, "FAILED", str(reason))
    except UserError:
        raise
    except Exception as error:  # whatever the adapter raises: the report names it and goes on
        frames = traceback.extract_tb(error.__traceback__)
        at = next((frame for frame in reversed(frames) if "site-packages" not in frame.filename), frames[-1])
        said = " ".join(str(error).split())
        return Verdict(text, "FAILED", f"{type(error).__name__}: {said} ({at.filename}, line {at.lineno})")


def verdicts(subject: Subject) -> Iterator[Verdict]:
    """Check all promises, one after the other."""
    return (verdict(text, subject) for text in CHECKS)


def require(kept: Any, wrong: str) -> None:
    """Go on where something holds.

    Raises:
        Broken: it does not; says what is wrong.
    """
    if not kept:
        raise Broken(wrong)
