"""The card of a shared folder: front matter that a Hub reads, evaluation results included, then what people read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.sharing import prose
from bench.sharing.layout import CARD, MARK, TABLE
from bench.sharing.shared import Pair, Shared
from bench.sharing.table import csv_of
from tickets import atomic
from tickets.ticket_set import members_of

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASKS_OF = {"cls": "image-classification", "seg": "image-segmentation", "pose": "keypoint-detection"}
"""By a task's kind what a Hub calls it; other kinds have no such name."""
METRICS_OF = {"top1": "accuracy", "miou": "mean_iou"}
"""By a metric's name what a Hub calls it, where that is another name."""
TAGS = [MARK, "lottery-ticket", "pruning", "sparsity"]
UNDER_TERMS = {"license": "other", "license_name": "terms-of-the-data"}
"""The licence where the person who shares gives none."""


def write(found: Shared, name: str, place: str, licence: str | None) -> list[str]:
    """Write a shared folder's card, with its pictures and, of records alone, their table.

    Args:
        found: the folder.
        name: the title.
        place: where others pull it from.
        licence: of the files, as a Hub calls it; None to let the data's terms speak.

    Returns:
        What could not be added, a sentence each.
    """
    terms: dict[str, Any] = {"license": licence} if licence else UNDER_TERMS
    if found.pairs:
        missing = [text for pair in found.pairs for text in _draw(found.root, pair)]
        text = _model(found, name, terms) + prose.of_pairs(found, name, place)
    else:
        missing = []
        atomic.write(found.root / TABLE, csv_of(found.records).encode())
        text = _data_set(name, terms) + prose.of_records(found, name, place)
    atomic.write(found.root / CARD, text.encode())
    return missing


def results(pairs: Iterable[Pair]) -> list[EvalResult]:
    """What a Hub lists as evaluation results: every metric on test of each pair's record."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=TASKS_OF.get(_kind(one.task), "other"),
            task_name=one.task,
            dataset_type=one.task.replace("/", "-"),
            dataset_name=one.task,
            dataset_split=one.test_split or "test",
            dataset_revision=one.fingerprints.get(one.task, {}).get("test"),
            metric_type=METRICS_OF.get(metric, metric),
            metric_name=metric,
            metric_value=one.scored.test[metric],
        )
        for one in (pair.record for pair in pairs)
        if one is not None and one.scores is not None
        for metric in prose.metrics(one)
    ]


def _model(found: Shared, name: str, terms: dict[str, Any]) -> str:
    from huggingface_hub import ModelCardData

    kinds = {TASKS_OF.get(_kind(pair.task)) for pair in found.pairs}
    listed = results(found.pairs)
    data = ModelCardData(
        library_name=MARK,
        tags=TAGS,
        pipeline_tag=kinds.pop() if len(kinds) == 1 else None,
        model_name=name if listed else None,
        eval_results=listed or None,
        **terms,
    )
    return _front(data.to_yaml())


def _data_set(name: str, terms: dict[str, Any]) -> str:
    from huggingface_hub import DatasetCardData

    configs = [{"config_name": "default", "data_files": TABLE}]
    return _front(DatasetCardData(pretty_name=name, tags=[*TAGS, "leaderboard"], configs=configs, **terms).to_yaml())


def _front(yaml: str) -> str:
    return f"---\n{yaml}\n---\n\n"


def _kind(task: str) -> str:
    return task.partition("/")[0]


def _draw(root: Path, pair: Pair) -> list[str]:
    """Draw what is left of a host into the shared folder; a sentence where that could not be."""
    found, *others = members_of(pair.found)
    if others or "size" not in pair.found.provenance:
        return []
    try:
        from bench.views.picture import draw
        from tickets.deploy import anatomy

        out = root / prose.picture(pair)
        out.parent.mkdir(parents=True, exist_ok=True)
        draw(found, anatomy.blocks(found), anatomy.layers(found, tuple(found.provenance["size"])), out)
    except ImportError:
        return [f"the card has no picture of {pair.name}; pip install matplotlib for one."]
    return []
