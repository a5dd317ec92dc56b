"""Checks of metric and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tasks.base import Task
from tasks.contract.promise import Skipped, promise, require
from tasks.contract.subject import Batch, Subject
from tasks.data.samples import IGNORED
from tasks.metrics.base import Metric
from tickets.seeding import generator

ALMOST_ONE = 0.99  # what a perfect prediction reaches: heat maps tell a place only as finely as they decode
LEAST = {"ap": 0.95}  # of whole images: labelled joints outside their person's frame cannot be found
LOW = 0.2  # what a pose that puts every joint in one corner stays below


@promise("its metric does not depend on batch size, order and shards")
def _additive(subject: Subject) -> str:
    task, net = subject.task, subject.network().eval()
    pages = [(_predicted(task, net, batch), batch) for batch in subject.pages("test")]
    expected = _scored(metric := task.metric(), pages)
    require(task.info.primary in expected, f"it scores {', '.join(expected)}, not the primary '{task.info.primary}'")
    amounts = getattr(metric, "amounts", ())
    odd = [key for key, value in expected.items() if not 0 <= value <= (float("inf") if key in amounts else 1)]
    require(not odd, f"{', '.join(odd)} of {expected} are no fractions, and no amounts from 0 on that the metric names")
    singles = [
        (outputs[i : i + 1], {key: value[i : i + 1] for key, value in batch.items()})
        for outputs, batch in pages
        for i in range(len(outputs))
    ]
    order = torch.randperm(len(singles), generator=generator(0, "contract", "order")).tolist()
    shards = [task.metric(), task.metric()]
    for number, row in enumerate(order):
        shards[number % 2].update(*singles[row])
    shards[0].merge(shards[1])
    for told, found in (("one by one in another order", _scored(task.metric(), [singles[i] for i in order])),
                        ("in two shards", shards[0].compute())):  # fmt: skip
        require(_close(found, expected), f"{expected} in batches, {found} {told}")
    return f"{len(singles)} samples"


@torch.no_grad()
def _predicted(task: Task, net: nn.Module, batch: Batch) -> Tensor:
    return task.predict(net, batch)


def _scored(metric: Metric, pages: Any) -> dict[str, float]:
    for outputs, batch in pages:
        metric.update(outputs, batch)
    return metric.compute()


def _close(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return one.keys() == other.keys() and all(abs(one[key] - other[key]) < 1e-9 for key in one)


@promise("a perfect prediction scores 1")
def _perfect(subject: Subject) -> str:
    score = _scored(subject.task.metric(), ((_truth(subject.task, b), b) for b in subject.pages("test")))
    primary = subject.task.info.primary
    require(score[primary] >= LEAST.get(primary, ALMOST_ONE), f"{primary} of the truth itself is {score[primary]:.4f}")
    return f"{primary} {score[primary]:.4f}"


def _truth(task: Task, batch: Batch) -> Tensor:
    outputs = task.perfect(batch)
    if outputs is None:
        raise Skipped("the adapter does not say what perfect outputs are; define `perfect`")
    return outputs


@promise("a constant prediction scores what it should")
def _constant(subject: Subject) -> str:
    primary = subject.task.info.primary
    if primary not in CONSTANT:
        raise Skipped(f"what {primary} should be is known for {', '.join(CONSTANT)} alone")
    meter, truths = subject.task.metric(), []
    for batch in subject.pages("test"):
        outputs = torch.zeros_like(_truth(subject.task, batch))
        if primary not in ("pck", "ap"):
            outputs[:, 0] = 1
        meter.update(outputs, batch)
        truths.append(batch["label"].flatten() if "label" in batch else batch["visible"].flatten())
    least, most, told = CONSTANT[primary](torch.cat(truths), subject.task.info.outputs)
    score = meter.compute()[primary]
    require(least - 1e-6 <= score <= most + 1e-6, f"{primary} is {score:.4f}, and {told}")
    return f"{primary} {score:.4f}: {told}"


def _share_of_first(labels: Tensor, outputs: int) -> tuple[float, float, str]:
    share = float((labels == 0).double().mean())
    return share, share, f"class 0 has {share:.4f} of the samples"


def _iou_of_first(labels: Tensor, outputs: int) -> tuple[float, float, str]:
    labelled = labels[labels != IGNORED]
    count = torch.bincount(labelled, minlength=outputs)
    present = int((count > 0).sum()) + int(count[0] == 0)
    score = int(count[0]) / len(labelled) / present
    return score, score, f"class 0 has {present * score:.4f} of the pixels, and {present} classes occur"


def _far_off(visible: Tensor, outputs: int) -> tuple[float, float, str]:
    return 0.0, LOW, f"every joint in one corner finds less than {LOW} of the joints"


CONSTANT = {"top1": _share_of_first, "miou": _iou_of_first, "pck": _far_off, "ap": _far_off}
"""By metric: from the truths and the number of outputs to what class 0 everywhere, or all joints in the first
corner, may score, and why."""


@promise("several networks that say the same are merged into one that says it")
def _merged(subject: Subject) -> str:
    task = subject.task
    if not task.merges():
        raise Skipped("it does not say how outputs are merged, so no ticket set is drawn on it; define `merge`")
    net = subject.network().eval()
    pages = [(_predicted(task, net, batch), batch) for batch in subject.pages("test")]
    same = [(task.merge([outputs] * 3), batch) for outputs, batch in pages]
    alone, together = _scored(task.metric(), pages), _scored(task.metric(), same)
    require(_close(alone, together), f"one network scores {alone}, and three of it together {together}")
    return f"{len(pages)} batches"


@promise("its picture shows every sample, with and without a prediction")
def _picture(subject: Subject) -> str:
    task, batch = subject.task, next(subject.pages("val"))
    outputs = _predicted(task, subject.network().eval(), batch)
    plain, full = task.panels(batch), task.panels(batch, outputs)
    require(len(plain) == len(full) == len(outputs), f"{len(plain)} and {len(full)} rows for {len(outputs)} samples")
    titles = [panel.title for panel in full[0]]
    require(len(plain[0]) < len(full[0]), f"a prediction adds nothing to {', '.join(titles)}")
    size = task.preview(batch, outputs).size
    return f"{', '.join(titles)}: {size[0]}x{size[1]} pixels"
