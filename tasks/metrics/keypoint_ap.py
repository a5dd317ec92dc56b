"""COCO's average precision of pose, of people found in boxes of whole photographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from tasks.metrics.heatmaps import Codec, sides
from tasks.metrics.oks import OFF, evaluate, rescored, suppressed
from tasks.metrics.pck import PCK
from tasks.views import topdown


class KeypointAP:
    """Average precision over OKS of one person a box, against everything annotated in a split's images.

    A person's score is that of the box times the mean confidence of joints above 0.2; of people in one image with a
    similarity above 0.9 the one with the highest score stays. Evaluated by faster-coco-eval, beside it PCK@0.2 of the
    torso over the people whose joints are known.

    Args:
        truth: COCO's annotations of the split's images, crowds and people without keypoints among them: "id",
            "image_id", "keypoints", "num_keypoints", "area", "bbox", "iscrowd".
        codec: how heat maps are read.
        pck: a fresh PCK of the same joints.
    """

    def __init__(self, truth: list[dict[str, Any]], codec: Codec, pck: PCK) -> None:
        self.truth = truth
        self.codec = codec
        self.pck = pck
        self.people: list[np.ndarray] = []  # image, annotation, box score, area of the frame, (x, y, confidence) * 17

    @property
    def count(self) -> int:
        """People seen."""
        return self.pck.count

    def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add heat maps (B, 17, h', w') of `batch["image"]` (B, 3, H, W).

        Further keys: those of PCK, and of the person's box in the image `box` (B, 4) as x, y, width, height,
        `box_score` (B,), `image_id` and `annotation` int64 (B,), the latter 0 for a detected box.
        """
        size = sides(batch["image"])
        maps = self.codec.maps(outputs.detach())
        found, sure = self.codec.points(maps, size), self.codec.confidence(maps, size)
        self.pck.update_points(found, batch)
        keys = ("box", "image_id", "annotation", "box_score")
        boxes, images, annotations, scores = (batch[key].cpu().numpy() for key in keys)
        frames = [topdown.enclosing(box, size) for box in boxes]
        points = [
            topdown.moved(person, topdown.inverse(topdown.matrix(*frame, size)))
            for person, frame in zip(found.double().cpu().numpy(), frames, strict=True)
        ]
        joints = np.dstack([np.stack(points), sure.double().cpu().numpy()]).reshape(len(points), -1)
        areas = [extent.prod() for _, extent in frames]
        self.people.append(np.column_stack([images, annotations, scores, areas, joints]))

    def merge(self, other: KeypointAP) -> None:
        """Add another one's people."""
        self.people = [*self.people, *other.people]
        self.pck.merge(other.pck)

    def compute(self) -> dict[str, float]:
        """{"ap", "ap50", "ap75", "ar"}, "ap_medium" and "ap_large" where such people are, "pck" where torsos are.

        Raises:
            ValueError: nobody was seen.
        """
        if not self.people:
            raise ValueError("AP of nobody is undefined: call update() first.")
        scores = evaluate(self.truth, self.results())
        return {**scores, **(self.pck.compute() if self.pck.totals.sum() else {})}

    def results(self) -> list[dict[str, Any]]:
        """COCO's result format: the people that suppression leaves, sorted, so that batches decide nothing."""
        people = np.nan_to_num(np.concatenate(self.people), nan=OFF, posinf=OFF, neginf=OFF)
        people = people[np.lexsort(people.T[::-1])]
        joints = people[:, 4:].reshape(len(people), -1, 3)
        scores = rescored(people[:, 2], joints[:, :, 2])
        kept: list[int] = []
        for rows in np.split(np.arange(len(people)), np.flatnonzero(np.diff(people[:, 0])) + 1):
            kept += [int(rows[i]) for i in suppressed(joints[rows, :, :2], people[rows, 3], scores[rows])]
        return [
            {"image_id": int(people[i, 0]), "keypoints": joints[i].ravel().tolist(), "score": float(scores[i])}
            for i in kept
        ]
