"""What was found once and is asked for again: kept in the cache with all that it depends on in its name.

For what takes torch to find: importing that takes longer than all else of a run of finished jobs, or of a check of
records.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.records import members, provenance
from bench.records.record import canonical
from tickets import atomic
from tickets.cache import cache_folder
from tickets.errors import CannotWriteError

KEPT = 16
"""Answers to one question that are kept, the newest."""
OURS = ("bench", "tasks", "tickets")


def remembered(
    question: str, told: Mapping[str, Any], is_answer: Callable[[Any], bool], find: Callable[[], Any]
) -> Any:
    """The answer that was found for the same question, under the same code of ours and the same installed versions, or
    else that found now.

    Args:
        question: part of a file's name.
        told: all else that the answer depends on; JSON data. Code of other packages is not looked at.
        is_answer: whether what a file holds can be one.
        find: finds it; JSON data.
    """
    code = {package: members.digest(members.sources(package)) for package in OURS}
    state = canonical([told, code, provenance.packages()])
    path = (
        cache_folder() / "remembered" / f"{question}-{hashlib.blake2b(state.encode(), digest_size=8).hexdigest()}.json"
    )
    with suppress(OSError, ValueError):
        if is_answer(found := json.loads(path.read_bytes())):
            return found
    answer = find()
    with suppress(CannotWriteError):  # it is found again next time
        atomic.write(path, json.dumps(answer).encode())
        _forget_oldest(path.parent, question)
    return answer


def _forget_oldest(folder: Path, question: str) -> None:
    with suppress(OSError):  # another process was faster
        for path in sorted(folder.glob(f"{question}-*.json"), key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
            path.unlink()
