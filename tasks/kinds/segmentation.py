"""Semantic segmentation: one class a pixel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image

from tasks.base import Features, Task
from tasks.data.samples import IGNORED, Row
from tasks.picture import Key, Panel, coloured, colours, pictures, shown
from tasks.views import mmseg
from tickets.errors import UserError, unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.answer import Answer
    from tasks.metrics.miou import MeanIoU
    from tickets.source import Reduction

AVERAGES = ("labelled", "all")
LEAST_HARD = 16  # one labelled pixel in so many is hard at least


@dataclass(frozen=True)
class Segmentation(Task):
    """One class a pixel. A reader gives "image" uint8 (H, W, 3) and "label" uint8 (h, w), classes and 255 =
    ignored.

    The label's size may differ from the image's, on the test split above all: loss and metric upsample the
    logits. Batch: image float32 (B, 3, H, W), normalised; label int64 (B, h, w). Outputs: logits (B, C, h',
    w').

    The full pipeline is mmseg's: in training as `tasks.views.mmseg.augmented` says, smaller images padded with the
    mean and label 255; else whole images, one at a time, resized to fit into the data set's base and scored at their
    labels' own sizes. The bases are those of the released recipes and belong to their crops: for an input of
    another size the base is multiplied by the smaller of its two ratios to the released crop, so that a rehearsal at
    an eighth of the size sees the same parts of the scenes, an eighth as large.

    Args:
        average: what the loss is divided by: "labelled", the labelled pixels, or "all", every pixel, as the
            SuperTickets release does, where ignored pixels lower the loss.
        class_weights: a factor for each class's pixels in the loss and in what it is divided by, as PyTorch's cross
            entropy has it (an ignored pixel counts 1 where all count); empty for none.
        ohem: train on hard pixels alone, those whose true class has a probability below this, but at least on the
            hardest sixteenth of the batch's labelled pixels; 0 trains on all. "labelled" then means the hard ones.
            A. Shrivastava et al., Training Region-based Object Detectors with Online Hard Example Mining, CVPR 2016;
            the sixteenth is that of BiSeNet (C. Yu et al., ECCV 2018).

    Raises:
        UserError: a field with another value, or another number of weights than classes.
    """

    average: str = "labelled"
    class_weights: tuple[float, ...] = ()
    ohem: float = 0.0

    exported: ClassVar[str] = "logits"
    base: ClassVar[tuple[int, int]] = (2048, 512)  # (width, height): the short side 512, the long one at most 2048
    crop: ClassVar[tuple[int, int]] = (512, 512)  # (H, W) of the released input that the base belongs to
    affine: ClassVar[Mapping[str, Any]] = {
        "flip": True,
        "scale": (0.8, 1.4),
        "rotate_deg": 8.0,
        "translate": 0.1,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.average not in AVERAGES:
            raise unknown("average", self.average, AVERAGES)
        if not (_is_number(self.ohem) and 0 <= self.ohem < 1):
            raise UserError(
                f"ohem is {self.ohem!r}; give a probability, at least 0 and below 1, as 0.7, or 0 for none."
            )
        object.__setattr__(self, "class_weights", tuple(self.class_weights))
        weights = self.class_weights
        if weights and not (all(_is_number(w) and 0 <= w < math.inf for w in weights) and any(weights)):
            raise UserError(f"class_weights are {weights}; give numbers of at least 0, not all of them 0.")
        if weights and len(weights) != self.info.outputs:
            raise UserError(
                f"class_weights has {len(weights)} numbers and '{self.store}' {self.info.outputs} classes; give one "
                "number a class, or none at all."
            )

    def locate(self) -> None:
        """Check cheaply that the data are there, and for a full pipeline that OpenCV is.

        Raises:
            DataError: the data are not there.
            UserError: OpenCV cannot be imported.
        """
        super().locate()
        if self.pipeline == "full":
            mmseg.require_opencv()

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
        from tasks.views import batches

        image, label = raw["image"], raw["label"]
        if generator is not None:
            moved = batches.affine(batches.jitter(image, generator), generator, label=label, **self.affine)
            image, label = moved["image"], moved["label"]
        return {"image": batches.normalise(image), "label": label.long()}

    @property
    def fit(self) -> tuple[int, int]:
        """The base for this input: (width, height) that whole images are fitted into."""
        ratio = min(self.size[0] / self.crop[0], self.size[1] / self.crop[1])
        return max(1, round(self.base[0] * ratio)), max(1, round(self.base[1] * ratio))

    @property
    def scoring_batch(self) -> int:
        """Samples that are scored at once; full pipelines keep whole images of different sizes."""
        return 1 if self.pipeline == "full" else super().scoring_batch

    def view(self, row: Row, training: bool) -> dict[str, Tensor]:
        """{"image": float32 (3, H, W), "label": int64 (H, W)}; unaugmented, the image is of its own size, and the
        label too."""
        import torch
        import torch.nn.functional as F

        from tasks.views import batches

        image, label = row["image"], row["label"]
        if training:
            image, label = mmseg.augmented(image, label, self.fit, self.size)
        else:
            image = mmseg.fitted(image, self.fit)
        pixels = batches.normalise(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])[0]
        classes = torch.from_numpy(label).long()
        if training:
            missing = (0, self.size[1] - label.shape[1], 0, self.size[0] - label.shape[0])
            pixels, classes = F.pad(pixels, missing), F.pad(classes, missing, value=IGNORED)
        return {"image": pixels, "label": classes}

    def head(self, features: Features) -> nn.Module:
        """The host's maps -> logits (B, outputs, h', w') of the finest map's size."""
        from tasks.heads.light import DenseHead

        return DenseHead(features, self.info.outputs)

    def loss(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy at the label's size, divided as `average` says; 0 where no pixel counts."""
        import torch.nn.functional as F

        label = batch["label"]
        logits = resized(outputs, label)
        trained = hard(logits, label, self.ohem) if self.ohem else label
        weights = logits.new_tensor(self.class_weights) if self.class_weights else None
        total = F.cross_entropy(logits, trained, weights, ignore_index=IGNORED, reduction="sum")
        return total / self._divisor(label if self.average == "all" else trained, weights)

    def imitation(
        self,
        outputs: Tensor,
        teacher: Tensor,
        batch: Mapping[str, Tensor],
        temperature: float = 1.0,
        reduction: Reduction = "sum",
    ) -> Tensor:
        """T^2 KL of the classes' probabilities at the label's size, the mean over labelled pixels; 0 without any.

        Both networks' logits are resized as for the loss, so that it is the same pixels that count.
        """
        from tickets.source import divergence

        label = batch["label"]
        seen = label != IGNORED
        apart = divergence(resized(outputs, label), resized(teacher, label), temperature, 1, reduction)
        return (apart * seen).sum() / seen.sum().clamp_min(1)

    def _divisor(self, label: Tensor, weights: Tensor | None) -> Tensor | int:
        """How many pixels a loss is an average over, each as its class's weight where there are weights."""
        if weights is None:
            return label.numel() if self.average == "all" else (label != IGNORED).sum().clamp_min(1)
        table = weights.new_full((IGNORED + 1,), float(self.average == "all"))
        table[: len(weights)] = weights
        total = table[label].sum()
        return total + (total == 0)

    def merge(self, outputs: Sequence[Tensor]) -> Tensor:
        """The logarithm of the mean probabilities of every cell, which are logits again: (B, C, h', w')."""
        from tasks.metrics.mixture import mixture

        return mixture(outputs, 1)

    def metric(self, split: str = "test") -> MeanIoU:
        """Mean intersection over union, pooled over the split."""
        from tasks.metrics.miou import MeanIoU

        return MeanIoU(self.info.outputs)

    def panels(self, batch: Mapping[str, Tensor], outputs: Tensor | None = None) -> Sequence[tuple[Panel, ...]]:
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

    def sight(self, image: np.ndarray) -> dict[str, Tensor]:
        """The whole image at the input's size; in the full pipeline as `view` has it, in its own proportions."""
        import torch

        from tasks.views import batches

        if self.pipeline == "full":
            mmseg.require_opencv()
            pixels = mmseg.fitted(image, self.fit)
        else:
            pixels = np.array(Image.fromarray(image).resize(self.size[::-1], Image.Resampling.BILINEAR))
        return {"image": batches.normalise(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None])}

    def answer(self, image: np.ndarray, outputs: Tensor) -> Answer:
        """{"shares": {class: share of the pixels}}, largest first; the mask has the image's size."""
        from tasks.answer import Answer

        mask = likeliest(outputs, image.shape[:2])
        numbers, counts = np.unique(mask, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        shares = {self.info.names[numbers[i]]: float(counts[i] / mask.size) for i in order}
        return Answer({"shares": shares}, self._classes("prediction", image, mask), mask)

    def perfect(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Logits (B, C, h, w) at the label's size, 10 for the true class and 0 for the others."""
        import torch.nn.functional as F

        hot = F.one_hot(batch["label"].clamp(max=self.info.outputs - 1), self.info.outputs)
        return 10.0 * hot.permute(0, 3, 1, 2)


def resized(outputs: Tensor, label: Tensor) -> Tensor:
    """Logits (B, C, h', w') as float32 (B, C, h, w), of the size of labels (B, h, w): bilinear, where they differ."""
    import torch.nn.functional as F

    logits = outputs.float()
    if logits.shape[-2:] != label.shape[-2:]:
        logits = F.interpolate(logits, label.shape[-2:], mode="bilinear", align_corners=False)
    return logits


def likeliest(outputs: Tensor, size: tuple[int, int]) -> np.ndarray:
    """The class of every pixel of an image, by logits that are resized bilinearly, one class at a time.

    Args:
        outputs: logits (1, C, h', w').
        size: (H, W) of the image; photographs of many classes would not fit into memory at once.

    Returns:
        uint8 (H, W).
    """
    import torch
    import torch.nn.functional as F

    best, found = torch.full(size, -torch.inf), torch.zeros(size, dtype=torch.uint8)
    for number, logits in enumerate(outputs.detach().float().cpu().split(1, 1)):
        here = F.interpolate(logits, size, mode="bilinear", align_corners=False)[0, 0]
        found.masked_fill_(here > best, number)
        best = torch.maximum(best, here)
    return found.numpy()


def hard(logits: Tensor, label: Tensor, below: float) -> Tensor:
    """Labels with the easy pixels ignored: online hard example mining.

    Args:
        logits: float (B, C, h, w).
        label: int64 (B, h, w), classes and 255; not modified.
        below: in (0, 1): a pixel is hard where its true class has a smaller probability.

    Returns:
        int64 (B, h, w). At least a sixteenth of the labelled pixels, rounded up, stay: the hardest, with those as
        hard as the last of them. Pixels whose logits are not finite stay.
    """
    import torch
    import torch.nn.functional as F

    with torch.no_grad():
        loss = F.cross_entropy(logits, label, ignore_index=IGNORED, reduction="none")
        of_labelled = loss[label != IGNORED]
        if not len(of_labelled):
            return label
        least = -(-len(of_labelled) // LEAST_HARD)
        kept = of_labelled.kthvalue(len(of_labelled) - least + 1).values
        return label.masked_fill((loss <= -math.log(below)) & (loss < kept), IGNORED)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
