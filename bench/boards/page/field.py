"""What the field reports for a data set, each score with its source and with what makes its setting another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from tasks import EMBEDDED

DRAWN = "None: these data are drawn here, and nobody else reports on them."


@dataclass(frozen=True)
class Score:
    """One score as its source prints it.

    Args:
        method: what was trained.
        score: in percent.
        metric: as tables call it.
        tested: on which samples.
        differs: pre-training, resolution, budget: why it does not stand in one table with ours.
        source: where it was read.
    """

    method: str
    score: float
    metric: str
    tested: str
    differs: str
    source: str


def told(task: str) -> dict[str, Any]:
    """What the page shows of a task: {"note", "scores"}; {} where nothing is known.

    Args:
        task: its name, as in "cls/cifar10".
    """
    if task.partition("/")[2] == EMBEDDED:
        return {"note": DRAWN, "scores": []}
    found = known().get(task)
    return {} if found is None else {"note": found[0], "scores": [asdict(score) for score in found[1]]}


@lru_cache
def known() -> Mapping[str, tuple[str, tuple[Score, ...]]]:
    """By task what must be known of its scores, and these, from field.yaml."""
    text = (files("bench.boards.page") / "field.yaml").read_text(encoding="utf-8")
    entries = yaml.safe_load(text)
    return {task: (one["note"], tuple(Score(**score) for score in one["scores"])) for task, one in entries.items()}
