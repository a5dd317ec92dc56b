"""Metrics of the three kinds of task: additive state; batches, shards and their order do not matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.heatmaps import Codec, Likelihood
from tasks.oks import SIGMAS, average_precision
from tasks.samples import IGNORED

PCK_RADIUS = 0.2  # of the torso, neck to mid-hip
PCKH_RADIUS = 0.5  # of the head, neck to its top
CHUNK = 2**24  # logits that MeanIoU upsamples at once: 64 MiB in float32


class Metric(Protocol):
    """What every metric offers: `a.update(x); a.merge(b); a.compute()`, in fractions of one."""

    count: int  # samples seen

    def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add a batch of outputs and truths; neither is modified."""
        ...

    def merge(self, other: Self) -> None:
        """Add what another metric of the same kind has seen; it is not modified."""
        ...

    def compute(self) -> dict[str, float]:
        """The scores over everything seen, the primary one first.

        Raises:
            ValueError: nothing that can be scored was seen.
        """
        ...

    # A metric may also have per_class() -> {"iou": float64 (C,), ...}, NaN where a class has no value.


class TopK:
    """Share of images whose class is guessed first ("top1") and, above five classes, among five ("top5").

    Equal logits rank by class index, the lower first, so that a constant output scores as class 0 does. An
    image whose logits are not all finite counts as wrong.

    Args:
        classes: number of classes C.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.ranks = (1, 5) if classes > 5 else (1,)
        self.hits = torch.zeros(len(self.ranks), dtype=torch.int64)
        self.count = 0

    def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add logits float (B, C) and `batch["label"]` int64 (B,)."""
        logits, label = outputs.detach().float(), batch["label"][:, None]
        own = logits.gather(1, label)
        earlier = torch.arange(self.classes, device=logits.device) < label
        rank = ((logits > own) | ((logits == own) & earlier)).sum(1)
        finite = logits.isfinite().all(1)
        self.hits += torch.stack([((rank < k) & finite).sum() for k in self.ranks]).cpu()
        self.count += len(logits)

    def merge(self, other: TopK) -> None:
        """Add another TopK's counts."""
        self.hits += other.hits
        self.count += other.count

    def compute(self) -> dict[str, float]:
        """{"top1": ..., "top5": ...}; "top5" only above five classes.

        Raises:
            ValueError: no image was seen.
        """
        if not self.count:
            raise ValueError("top-1 of no image is undefined: call update() first.")
        return {f"top{k}": int(hits) / self.count for k, hits in zip(self.ranks, self.hits, strict=True)}


class MeanIoU:
    """Intersection over union, averaged over the classes of one confusion matrix pooled over all images.

    Pooling is what the field reports; a mean of per-image values is another number. Pixels labelled 255 are
    left out.

    Args:
        classes: number of classes C, void excluded.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64)  # rows: truth, columns: prediction
        self.count = 0

    def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
        """Add logits float (B, C, h', w') and `batch["label"]` integer (B, h, w), classes and 255.

        The logits are upsampled bilinearly (align_corners=False) to the label's size before the arg max.

        Raises:
            ValueError: a label that is neither a class nor 255.
        """
        label = batch["label"]
        step = max(1, CHUNK // (self.classes * label.shape[-2] * label.shape[-1]))
        for logits, truth in zip(outputs.detach().split(step), label.split(step), strict=True):
            logits = logits.float()
            if logits.shape[-2:] != truth.shape[-2:]:
                logits = F.interpolate(logits, truth.shape[-2:], mode="bilinear", align_corners=False)
            self._count(logits.max(1).indices, truth)  # on the CPU eight times as fast as argmax
        self.count += len(label)

    def _count(self, prediction: Tensor, truth: Tensor) -> None:
        """Add class maps (B, h, w) to the confusion matrix."""
        cells = (truth.long() * self.classes + prediction).flatten()
        table = torch.bincount(cells, minlength=(IGNORED + 1) * self.classes).cpu()
        if len(table) > (IGNORED + 1) * self.classes or table[self.classes**2 : IGNORED * self.classes].any():
            wrong = truth[(truth >= self.classes) & (truth != IGNORED)]
            raise ValueError(
                f"label {int(wrong.max())} in a segmentation truth is neither a class, "
                f"0 to {self.classes - 1}, nor {IGNORED} (ignored)."
            )
        self.confusion += table[: self.classes**2].view(self.classes, self.classes)

    def merge(self, other: MeanIoU) -> None:
        """Add another MeanIoU's confusion matrix."""
        self.confusion += other.confusion
        self.count += other.count

    def per_class(self) -> dict[str, Tensor]:
        """{"iou", "acc"}, float64 (C,) each: what "miou" and "macc" are the means of.

        NaN for classes in neither truth nor prediction ("iou"), or not in the truth ("acc", the recall).
        """
        table = self.confusion.double()
        hit, truth, guess = table.diag(), table.sum(1), table.sum(0)
        return {"iou": hit / (truth + guess - hit), "acc": hit / truth}

    def compute(self) -> dict[str, float]:
        """{"miou", "macc", "aacc"}.

        "miou" is the mean over classes present in truth or prediction, "macc" the mean recall of the classes
        present in the truth, "aacc" the share of right pixels.

        Raises:
            ValueError: no labelled pixel was seen.
        """
        table = self.confusion.double()
        if not table.sum():
            raise ValueError("mIoU of no labelled pixel is undefined: update() saw no label other than 255.")
        iou, acc = (values[~values.isnan()].mean() for values in self.per_class().values())
        return {"miou": float(iou), "macc": float(acc), "aacc": float(table.trace() / table.sum())}


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
        found = self.codec.points(heatmaps, tuple(batch["image"].shape[-2:]))
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
