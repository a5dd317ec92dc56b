"""Checks of what a task says of itself, and of its samples."""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.base import Task
from tasks.contract.promise import promise, require
from tasks.contract.subject import PAGE, Batch, Subject
from tasks.data.samples import IGNORED, SPLITS
from tasks.kinds.classification import Classification
from tasks.kinds.pose import Pose
from tasks.kinds.segmentation import Segmentation


@promise("its info is complete")
def _info(subject: Subject) -> str:
    info, joints = subject.task.info, range(subject.task.info.outputs)
    kind = subject.name.partition("/")[0]
    require(info.kind == kind, f"info.kind is '{info.kind}' and the task is named {subject.name}")
    require(isinstance(info.version, int) and info.version >= 1, f"info.version is {info.version}, not 1 or more")
    for field in ("primary", "test", "citation", "licence"):
        require(getattr(info, field), f"info.{field} is empty")
    require(len(info.names) == info.outputs > 0, f"info has {info.outputs} outputs and {len(info.names)} names")
    require(len(set(info.names)) == len(info.names), "info.names holds a name twice")
    pairs = [*info.flip_pairs, *info.skeleton]
    require(all(a in joints and b in joints and a != b for a, b in pairs), f"a pair of {pairs} is no two outputs")
    flipped = [joint for pair in info.flip_pairs for joint in pair]
    require(len(flipped) == len(set(flipped)), "info.flip_pairs exchanges a keypoint twice")
    if isinstance(subject.task, Pose):
        require(all(set(side) <= set(joints) for side in info.torso), f"info.torso is {info.torso}")
    return f"version {info.version}, {info.outputs} outputs, {info.primary} on {info.test}"


@promise("its fingerprints are stable and differ between the splits")
def _fingerprints(subject: Subject) -> str:
    again = subject.task.prepare()
    require(subject.prints == again, f"prepare() gave {subject.prints}, then {again}")
    require(len(set(again.values())) == len(SPLITS), f"two splits have the same fingerprint: {again}")
    return ", ".join(f"{split} {again[split]}" for split in SPLITS)


@promise("its batches have the documented form")
def _form(subject: Subject) -> str:
    task, (height, width) = subject.task, subject.task.size
    batch = subject.training_batch()
    count = {key: len(value) for key, value in batch.items()}
    require(set(count.values()) == {PAGE}, f"a batch of {PAGE} holds {count}")
    _has_form(batch, "image", torch.float32, (PAGE, 3, height, width))
    if isinstance(task, Classification):
        _has_form(batch, "label", torch.int64, (PAGE,))
    elif isinstance(task, Segmentation):
        _has_form(batch, "label", torch.int64, (PAGE, height, width))
    elif isinstance(task, Pose):
        joints = task.info.outputs
        for key, dtype, shape in (("keypoints", torch.float32, (joints, 2)), ("visible", torch.bool, (joints,)),
                                  ("torso", torch.float32, ())):  # fmt: skip
            _has_form(batch, key, dtype, (PAGE, *shape))
    largest = float(batch["image"].abs().max())
    require(0 < largest < 10, f"the images reach {largest:.3g}; they must be normalised, as by augment.normalise")
    return ", ".join(f"{key} {tuple(value.shape)}" for key, value in batch.items())


def _has_form(batch: Batch, key: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    require(key in batch, f"a batch holds {', '.join(batch)}, and no '{key}'")
    found = (batch[key].dtype, tuple(batch[key].shape))
    require(found == (dtype, shape), f"'{key}' is {found[0]} {found[1]}, not {dtype} {shape}")


@promise("its truth is in range, augmented or not")
def _in_range(subject: Subject) -> str:
    count, found = 0, set()
    for batch in (subject.training_batch(), *(page for split in SPLITS for page in subject.pages(split))):
        count += len(batch["image"])
        for key, value in batch.items():
            require(value.isfinite().all(), f"'{key}' holds a number that is not finite")
        if isinstance(subject.task, (Classification, Segmentation)):
            found |= _classes(subject.task, batch["label"])
        elif isinstance(subject.task, Pose):
            found |= _joints(subject.task, batch)
    names = [name for number, name in enumerate(subject.task.info.names) if number not in found]
    absent = f"; never: {', '.join(names[:5])}{' and more' if names[5:] else ''}" if found and names else ""
    return f"{count:,} samples{absent}"


def _classes(task: Task, label: Tensor) -> set[int]:
    """The classes in some labels."""
    found = set(label.unique().tolist())
    if isinstance(task, Segmentation):
        found -= {IGNORED}
    wrong = found - set(range(task.info.outputs))
    require(not wrong, f"labels hold {sorted(wrong)[:5]}; the classes are 0 to {task.info.outputs - 1}")
    return found


def _joints(task: Task, batch: Batch) -> set[int]:
    """The joints that are labelled somewhere."""
    size = batch["keypoints"].new_tensor([batch["image"].shape[-1], batch["image"].shape[-2]])
    inside = ((batch["keypoints"] >= -0.5) & (batch["keypoints"] < size - 0.5)).all(2)
    outside = (batch["visible"] & ~inside).sum()
    require(not outside, f"{outside} joints are 'visible' and lie outside their image")
    return set(batch["visible"].any(0).nonzero().flatten().tolist())
