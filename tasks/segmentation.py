"""Semantic segmentation: one class a pixel; and the embedded figures, cut into body parts and objects."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image

from tasks import figures
from tasks.arrays import Sample
from tasks.base import Info, Task, contact_sheet, pictures

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.metrics import MeanIoU

IGNORED = 255  # the label of pixels that neither loss nor metric counts


@dataclass(frozen=True)
class Segmentation(Task):
    """One class a pixel. A reader gives "image" uint8 (H, W, 3) and "label" uint8 (h, w), classes and 255 =
    ignored.

    The label's size may differ from the image's, on the test split above all: loss and metric upsample the
    logits. Batch: image float32 (B, 3, H, W), normalised; label int64 (B, h, w). Outputs: logits (B, C, h',
    w').
    """

    affine: ClassVar[Mapping[str, Any]] = {
        "flip": True,
        "scale": (0.8, 1.4),
        "rotate_deg": 8.0,
        "translate": 0.1,
    }

    def check(self, arrays: Mapping[str, np.ndarray], start: int) -> Iterable[tuple[int, str]]:
        """Labels that are neither a class nor 255."""
        label = arrays[self.columns.get("label", "label")]
        wrong = (label >= self.info.outputs) & (label != IGNORED)
        for row in np.flatnonzero(wrong.any(axis=(1, 2))):
            value = label[row][wrong[row]].max()
            allowed = f"0 to {self.info.outputs - 1} or {IGNORED} (ignored)"
            yield start + int(row), f"its label holds {value}, which is no class, {allowed}; correct it."

    def batch(self, raw: Mapping[str, Tensor], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """{"image": float32 (B, 3, H, W), "label": int64 (B, h, w)}; augmented where a generator is given."""
        from tasks import augment

        image, label = raw["image"], raw["label"]
        if generator is not None:
            moved = augment.affine(augment.jitter(image, generator), generator, label=label, **self.affine)
            image, label = moved["image"], moved["label"]
        return {"image": augment.normalise(image), "label": label.long()}

    def head(self, features: Sequence[tuple[int, int]]) -> nn.Module:
        """The host's maps -> logits (B, outputs, h', w') of the finest map's size."""
        from tasks.heads import DenseHead

        return DenseHead(features, self.info.outputs)

    def loss(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy over the labelled pixels, at the label's size; 0 where no pixel is labelled."""
        import torch.nn.functional as F

        label = batch["label"]
        logits = outputs.float()
        if logits.shape[-2:] != label.shape[-2:]:
            logits = F.interpolate(logits, label.shape[-2:], mode="bilinear", align_corners=False)
        total = F.cross_entropy(logits, label, ignore_index=IGNORED, reduction="sum")
        return total / (label != IGNORED).sum().clamp_min(1)

    def metric(self, split: str = "test") -> MeanIoU:
        """Mean intersection over union, pooled over the split."""
        from tasks.metrics import MeanIoU

        return MeanIoU(self.info.outputs)

    def preview(self, batch: Mapping[str, Tensor], outputs: Tensor) -> Image.Image:
        """The input, the true classes, the predicted classes in colours (ignored pixels white), a row a
        sample."""
        import torch.nn.functional as F

        size = batch["image"].shape[-2:]
        logits = F.interpolate(outputs.detach().float(), size, mode="bilinear", align_corners=False)
        truth = F.interpolate(batch["label"][:, None].float(), size, mode="nearest")[:, 0].long()
        palette = colours(self.info.outputs)
        shown = (pictures(batch["image"]), palette[truth.cpu()], palette[logits.argmax(1).cpu()])
        return contact_sheet([list(row) for row in zip(*shown, strict=True)], zoom=2)


def colours(classes: int) -> np.ndarray:
    """Distinct colours uint8 (256, 3): class 0 dark grey, the others around the wheel, 255 white."""
    table = np.full((256, 3), 255, np.uint8)
    table[0] = 60
    for c in range(1, classes):
        shade = colorsys.hsv_to_rgb((c - 1) / (classes - 1), 0.85, 1.0 if c % 2 else 0.7)
        table[c] = [round(255 * v) for v in shade]
    return table


@dataclass(frozen=True)
class FiguresSegmentation(Segmentation):
    """The body parts of a drawn person, the objects about, and what stands in front."""

    info = Info(kind="seg", primary="miou", outputs=len(figures.PARTS), names=figures.PARTS, **figures.ABOUT)
    store = "figures"
    columns: ClassVar[Mapping[str, str]] = {"image": "image", "label": "parts"}
    read = staticmethod(figures.read)

    def samples(self, split: str) -> list[Sample]:
        """Nothing to find: a sample is drawn from its split and number."""
        return figures.samples(split)
