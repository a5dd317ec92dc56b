"""Whose terms apply to what was learned from data: licence, source and citation of each data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tickets.errors import UserError

TERMS = ("licence", "url", "citation")
UNKNOWN = {"licence": "as its owner holds it", "url": "", "citation": ""}
"""What is said of one's own data, which tell of themselves only where they lie."""


def terms(tasks: Iterable[str], networks: Iterable[Mapping[str, Any]] = ()) -> dict[str, dict[str, str]]:
    """By task the texts of `TERMS`, as networks state them, else as the task's adapter does.

    Args:
        tasks: registered names.
        networks: what networks state of the task that they were trained on, as `tasks.network` keeps it.
    """
    stated = {one["task"]: one["info"] for one in networks}
    return {
        task: {key: str(told[key]) for key in TERMS} for task in tasks for told in [stated.get(task) or _told(task)]
    }


def _told(task: str) -> dict[str, str]:
    """What an adapter tells of its data; `UNKNOWN` where only these do, or where it is of a package that is not here."""
    from tasks import TASKS
    from tasks.base import Info

    try:
        info = TASKS.load(task).info
        info = TASKS.load(task)().info if isinstance(info, property) else info
    except UserError:
        return UNKNOWN
    return {key: getattr(info, key) for key in TERMS} if isinstance(info, Info) else UNKNOWN
