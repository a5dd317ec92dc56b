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
    told = {task: stated.get(task) or _told(task) for task in tasks}
    return {task: {key: str(of[key]) for key in TERMS} for task, of in told.items()}


def _told(task: str) -> dict[str, str]:
    """What an adapter tells of its data; `UNKNOWN` where only these do, or where its package is not installed."""
    from tasks import TASKS

    try:
        adapter = TASKS.load(task)
    except UserError:
        return UNKNOWN
    try:
        info = adapter().info if isinstance(adapter.info, property) else adapter.info
    except UserError:
        return getattr(adapter, "about", UNKNOWN)
    return {key: getattr(info, key) for key in TERMS}
