"""Errors that are the user's to mend; the command line prints them as one sentence and exits with 2."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

TOLD = 200  # letters of somebody's name or value that a message repeats
LONGEST = 2000  # letters of a message

_LONG_WORD = re.compile(rf"\S{{{TOLD}}}\S+")


class UserError(ValueError):
    """A wrong request: says what was wrong, the value got, what is allowed and what to do.

    Args:
        message: longer than `LONGEST` it is told without the ends of its longest words, and then without its middle.
        more: kept as they are.
    """

    def __init__(self, message: str = "", *more: Any) -> None:
        super().__init__(_readable(message), *more)


class DataError(UserError):
    """A data set, image or annotation that cannot be used; the message names the file."""


class DamagedTicketError(UserError):
    """A ticket file that fails a check; the message names the file and the check."""


class CannotWriteError(UserError):
    """A file that the disk does not take; the message names the file and the reason."""


def short(text: str) -> str:
    """A text, or its start where it is no part of a sentence any more.

    Example:
        >>> short("seg"), len(short("e" * 5000))
        ('seg', 203)
    """
    return text if len(text) <= TOLD else f"{text[:TOLD]}..."


def _readable(message: str) -> str:
    """A message no longer than `LONGEST`, whatever somebody's file made it repeat; its end says what to do.

    Example:
        >>> len(_readable("'" + "e" * 9000 + "' is unknown.")), _readable(" e" * 9000 + ". Stop.")[-7:]
        (215, '. Stop.')
    """
    if len(message) > LONGEST:
        message = _LONG_WORD.sub(lambda word: short(word[0]), message)
    if len(message) > LONGEST:
        message = f"{message[: LONGEST // 2]} [...] {message[7 - LONGEST // 2 :]}"
    return message


def unknown(noun: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a list, with the nearest known name.

    Args:
        noun: what the name should have been, as in "task".
        name: the value received.
        known: the allowed names, shown in this order.

    Example:
        >>> str(unknown("task", "sge", ["cls", "pose", "seg"]))
        "unknown task 'sge'. Did you mean 'seg'? Known: cls, pose, seg."
    """
    known, name = list(known), short(name)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UserError(f"unknown {noun} '{name}'.{hint} Known: {', '.join(known) or 'none'}.")
