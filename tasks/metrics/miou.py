"""Mean intersection over union of segmentation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.data.samples import IGNORED

CHUNK = 2**24  # logits that MeanIoU upsamples at once: 64 MiB in float32


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
