"""Checks of what a task's splits share: images, images that look alike, and scenes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from tasks.contract.promise import Broken, Doubted, promise, require
from tasks.contract.subject import Subject
from tasks.data import likeness
from tasks.data.samples import SPLITS

MOST_ALIKE = 0.05
"""Share of a split that may look like another one; CIFAR-10's test split, which the field lives with, has 0.0325."""
MOST_SEEN = 0.5
"""Share of what is scored that may be of scenes that were trained on."""


@promise("its official splits are as large as those that the field reports on")
def _known(subject: Subject) -> str:
    if not (known := subject.task.field_counts):
        return "the adapter knows no such numbers"
    found = {split: len(subject.task.samples(split)) for split in known}
    told = [
        f"{split} {found[split]:,}" + (f" of {count:,}" if found[split] != count else "")
        for split, count in known.items()
    ]
    if found != known:
        raise Doubted(f"{', '.join(told)}; scores on other splits are not the field's")
    return ", ".join(told)


@promise("train, val and test hold samples and share no image")
def _disjoint(subject: Subject) -> str:
    told = []
    for split in SPLITS:
        require(count := len(subject.split(split)), f"{split} holds no sample")
        told.append(f"{split} {count:,}")
    for one, other in combinations(SPLITS, 2):
        known = set(subject.pictures(one).digests)
        shared = [row for row, digest in subject.pictures(other).rows() if digest in known]
        if shared:
            raise Broken(
                f"{one} and {other} share {len(shared):,} images, as {_named(subject, other, shared[0])}; remove them "
                "from one split, or let samples of the same image have the same group"
            )
    return ", ".join(told)


@promise("few images look like one of another split")
def _unlike(subject: Subject) -> str:
    told, worst = [], 0.0
    for one, other in combinations(SPLITS, 2):
        mine, theirs = (subject.pictures(split).looks for split in (other, one))
        if pairs := likeness.alike(mine, theirs):
            share = len(pairs) / len(mine)
            worst, (row, like) = max(worst, share), next(iter(pairs.items()))
            told.append(
                f"{len(pairs):,} of {len(mine):,} images of {other} ({share:.1%}) look like one of {one}, as "
                f"{_named(subject, other, row)} like {_named(subject, one, like)}"
            )
    if worst > MOST_ALIKE and not subject.task.is_own:
        raise Broken(f"{'; '.join(told)}; let what was taken together lie in one split, or have the same group")
    if told:
        raise Doubted("; ".join(told))
    return f"none of {sum(len(subject.pictures(split).looks) for split in SPLITS):,} images"


@promise("most of what is scored shows other scenes than train")
def _unseen(subject: Subject) -> str:
    scenes = {split: [subject.task.scene(sample) for sample in subject.task.members(split)] for split in SPLITS}
    told = list(_shared(scenes))
    tested = [scene for scene in scenes["test"] if scene and scene in set(scenes["train"])]
    if len(tested) > MOST_SEEN * len(scenes["test"]) and not subject.task.is_own:
        raise Broken(f"{'; '.join(told)}; test on scenes that are not trained on")
    if not any(map(any, scenes.values())):
        return "its samples name no scenes"
    return "; ".join(told) or "no scene lies in two splits"


def _shared(scenes: dict[str, list[str]]) -> Iterator[str]:
    """What the splits share, a part of a sentence each."""
    for one, other in combinations(SPLITS, 2):
        known = set(scenes[one])
        if both := Counter(scene for scene in scenes[other] if scene and scene in known):
            named = ", ".join(list(both)[:3]) + (" and more" if len(both) > 3 else "")
            yield f"{both.total():,} of {len(scenes[other]):,} of {other} are of scenes of {one}: {named}"


def _named(subject: Subject, split: str, row: int) -> str:
    return subject.task.members(split)[row].where
