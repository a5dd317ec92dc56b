"""The percentage of correct keypoints of pose."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tasks.metrics.heatmaps import Codec, Likelihood, sides
from tasks.metrics.oks import SIGMAS, average_precision

PCK_RADIUS = 0.2  # of the torso, neck to mid-hip
PCKH_RADIUS = 0.5  # of the head, neck to its top


class PCK:
    """Share of joints found within 0.2 of that person's torso (PCK@0.2), pooled over joints and people.

    Joints count where `visible`, of people with a torso longer than 0. A prediction that is not finite counts
    as missed. Where batches carry `head`, PCKh@0.5 stands beside it: the share within half the head's length.

    Args:
        joints: number of joints K.
        oks: also report COCO's average precision over object keypoint similarity ("ap", "ap50", "ap75",
            computed by faster-coco-eval), for which batches carry `area` and K is COCO's 17. One person and
            one prediction an image; a prediction's score is the mean peak of its heat maps' softmax.
        codec: how heat maps are read; by default as logits of where a joint is.
    """

    def __init__(self, joints: int, oks: bool = False, codec: Codec | None = None) -> None:
        if oks and joints != len(SIGMAS):
            raise ValueError(f"OKS needs COCO's {len(SIGMAS)} keypoints, got {joints}; use oks=False.")
        self.joints = joints
        self.oks = oks
        self.codec = codec or Likelihood()
        self.hits = torch.zeros(joints, dtype=torch.int64)
        self.totals = torch.zeros(joints, dtype=torch.int64)
        self.heads = torch.zeros(2, joints, dtype=torch.int64)  # hits and totals of PCKh
        self.people: list[np.ndarray] = []  # rows as `average_precision` takes them
        self.count = 0

    def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add heat maps float (B, K, h', w') of `batch["image"]` (B, 3, H, W).

        Further keys, lengths in input pixels: `keypoints` float (B, K, 2) as x, y; `visible` bool (B, K);
        `torso` float (B,); `head` float (B,) if known; with oks `area` float (B,).
        """
        heatmaps = self.codec.maps(outputs.detach())
        found = self.codec.points(heatmaps, sides(batch["image"]))
        self.update_points(found, batch)
        if self.oks:
            score = heatmaps.flatten(2).softmax(2).amax(2).mean(1, keepdim=True)
            truth = torch.cat([batch["keypoints"], batch["visible"][..., None].float()], 2).flatten(1)
            rows = torch.cat([truth, batch["area"][:, None], found.flatten(1), score], 1)
            self.people.append(rows.double().cpu().numpy())

    def update_points(self, points: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add joints float (B, K, 2) in input pixels, for PCK alone: a baseline draws no heat maps."""
        error = torch.linalg.vector_norm(points - batch["keypoints"], dim=2)
        hits, totals = _within(error, batch["visible"], PCK_RADIUS, batch["torso"])
        self.hits += hits
        self.totals += totals
        if "head" in batch:
            self.heads += torch.stack(_within(error, batch["visible"], PCKH_RADIUS, batch["head"]))
        self.count += len(points)

    def merge(self, other: PCK) -> None:
        """Add another PCK's counts and people."""
        self.hits += other.hits
        self.totals += other.totals
        self.heads += other.heads
        self.people = [*self.people, *other.people]
        self.count += other.count

    def compute(self) -> dict[str, float]:
        """{"pck"}, "pckh" where heads were seen and, with oks, {"ap", "ap50", "ap75"}.

        Raises:
            ValueError: no labelled joint of a person with a known torso was seen.
        """
        if not self.totals.sum():
            raise ValueError("PCK of no labelled joint is undefined: update() saw no visible joint with a torso.")
        scores = {"pck": int(self.hits.sum()) / int(self.totals.sum())}
        hits, totals = (int(count) for count in self.heads.sum(1))
        if totals:
            scores["pckh"] = hits / totals
        return {**scores, **average_precision(np.concatenate(self.people))} if self.oks else scores


def _within(error: Tensor, visible: Tensor, radius: float, length: Tensor) -> tuple[Tensor, Tensor]:
    """Per joint, int64 (K,): visible ones within radius x length, (B,), of people where that is above 0; and all."""
    counted = visible & (length > 0)[:, None]
    return (counted & (error <= radius * length[:, None])).sum(0).cpu(), counted.sum(0).cpu()
