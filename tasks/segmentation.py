"""Semantic segmentation: one class a pixel; and the embedded figures, cut into body parts and objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tasks import figures
from tasks.arrays import Sample
from tasks.base import Info, Task
from tasks.picture import Key, Panel, coloured, colours, pictures, shown

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

    def panels(self, batch: Mapping[str, Tensor], outputs: Tensor | None = None) -> list[tuple[Panel, ...]]:
        """The input, and over it in grey the true classes and the predicted ones; ignored pixels white."""
        images, truths = pictures(batch["image"]), batch["label"].cpu().numpy()
        rows = [
            (Panel("input", shown(image)), self._classes("truth", image, truth))
            for image, truth in zip(images, truths, strict=True)
        ]
        if outputs is None:
            return rows
        import torch.nn.functional as F

        logits = F.interpolate(outputs.detach().float(), batch["image"].shape[-2:], mode="bilinear")
        guesses = zip(images, logits.argmax(1).cpu().numpy(), strict=True)
        return [(*row, self._classes("prediction", *guess)) for row, guess in zip(rows, guesses, strict=True)]

    def _classes(self, title: str, image: np.ndarray, classes: np.ndarray) -> Panel:
        """Class ids (h, w) over the image uint8 (H, W, 3), with a legend of those that occur."""
        palette, names = colours(self.info.names), {**dict(enumerate(self.info.names)), IGNORED: "ignored"}
        keys = tuple(Key(c, names[c], tuple(palette[c].tolist())) for c in np.unique(classes).tolist())
        return Panel(title, coloured(image, classes, palette), keys)

    def perfect(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Logits (B, C, h, w) at the label's size, 10 for the true class and 0 for the others."""
        import torch.nn.functional as F

        hot = F.one_hot(batch["label"].clamp(max=self.info.outputs - 1), self.info.outputs)
        return 10.0 * hot.permute(0, 3, 1, 2)


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
