"""Classification: one class an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image, ImageOps

from tasks.base import Features, Task
from tasks.data.samples import Row
from tasks.picture import FAINT, INK, SIDE, Colour, Panel, card, pictures, shown

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.answer import Answer
    from tasks.metrics.calibration import Calibration, Disagreement
    from tasks.metrics.topk import TopK
    from tickets.source import Reduction

RIGHT, WRONG = (0, 120, 50), (200, 30, 30)  # colours of predictions
RANKED = 5  # classes of an answer at most


@dataclass(frozen=True)
class Classification(Task):
    """One class an image. A reader gives "image" uint8 (H, W, 3) and "label", an int64 scalar in [0,
    outputs).

    Batch: image float32 (B, 3, H, W), normalised; label int64 (B,). Outputs: logits (B, C).

    The full pipeline is timm's: in training a random part of 8 to 100 % of the area, its sides at most 4 to 3,
    resized bicubically, mirrored half of the time; else the middle 7/8.

    Args:
        smoothing: share of the target that label smoothing spreads over all classes, in training alone.
    """

    smoothing: float = 0.0

    exported: ClassVar[str] = "logits"
    affine: ClassVar[Mapping[str, Any]] = {
        "flip": True,
        "scale": (0.85, 1.2),
        "rotate_deg": 8.0,
        "translate": 0.08,
    }

    def check(self, arrays: Mapping[str, np.ndarray], start: int) -> Iterable[tuple[int, str]]:
        """Labels outside [0, outputs)."""
        label = arrays[self.columns.get("label", "label")]
        for row in np.flatnonzero((label < 0) | (label >= self.info.outputs)):
            yield (
                start + int(row),
                f"its label {label[row]} is no class, 0 to {self.info.outputs - 1}; correct it.",
            )

    def batch(self, raw: Mapping[str, Tensor], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """{"image": float32 (B, 3, H, W), "label": int64 (B,)}; augmented where a generator is given."""
        from tasks.views import batches

        image = raw["image"]
        if generator is not None:
            image = batches.affine(batches.jitter(image, generator), generator, **self.affine)["image"]
        return {"image": batches.normalise(image), "label": raw["label"].long()}

    def view(self, row: Row, training: bool) -> dict[str, Tensor]:
        """{"image": float32 (3, H, W), "label": int64 ()}, by timm's transforms."""
        import torch

        transform = transforms(self.size, training)
        return {"image": transform(Image.fromarray(row["image"])), "label": torch.tensor(int(row["label"]))}

    def head(self, features: Features) -> nn.Module:
        """The host's maps -> logits (B, outputs)."""
        from tasks.heads.light import Classifier

        return Classifier(features, self.info.outputs)

    def loss(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy, with label smoothing where asked for."""
        import torch.nn.functional as F

        return F.cross_entropy(outputs.float(), batch["label"], label_smoothing=self.smoothing)

    def merge(self, outputs: Sequence[Tensor]) -> Tensor:
        """The logarithm of the mean probabilities, which are logits again: (B, C)."""
        from tasks.metrics.mixture import mixture

        return mixture(outputs, 1)

    def imitation(
        self,
        outputs: Tensor,
        teacher: Tensor,
        batch: Mapping[str, Tensor],
        temperature: float = 1.0,
        reduction: Reduction = "sum",
    ) -> Tensor:
        """T^2 KL of the classes' probabilities, the mean over the batch."""
        from tickets.source import divergence

        return divergence(outputs, teacher, temperature, 1, reduction).mean()

    def metric(self, split: str = "test") -> TopK:
        """Top-1, and top-5 above five classes."""
        from tasks.metrics.topk import TopK

        return TopK(self.info.outputs)

    def reliability(self) -> Calibration:
        """Negative log likelihood and expected calibration error."""
        from tasks.metrics.calibration import Calibration

        return Calibration()

    def diversity(self, networks: int) -> Disagreement:
        """How often two networks guess different classes."""
        from tasks.metrics.calibration import Disagreement

        return Disagreement(networks)

    def panels(self, batch: Mapping[str, Tensor], outputs: Tensor | None = None) -> Sequence[tuple[Panel, ...]]:
        """The input, the true class and the three likeliest classes, green where right and red where wrong."""
        rows = [
            (Panel("input", shown(image)), Panel("truth", card([(self.info.names[label], INK, None)], SIDE)))
            for image, label in zip(pictures(batch["image"]), batch["label"].tolist(), strict=True)
        ]
        if outputs is None:
            return rows
        best = outputs.detach().float().softmax(1).cpu().topk(min(3, outputs.shape[1]))
        guesses = zip(best.values.tolist(), best.indices.tolist(), batch["label"].tolist(), strict=True)
        cards = [card(self._ranked(*guess), SIDE) for guess in guesses]
        return [(*row, Panel("prediction", found)) for row, found in zip(rows, cards, strict=True)]

    def _ranked(self, shares: Sequence[float], classes: Sequence[int], truth: int) -> list[tuple[str, Colour, float]]:
        """Lines of a card: names with their probabilities, the true class green, a wrong first one red."""
        wrong = [WRONG, *[FAINT] * (len(classes) - 1)]
        return [
            (f"{self.info.names[label]} {share:.0%}", RIGHT if label == truth else colour, share)
            for share, label, colour in zip(shares, classes, wrong, strict=True)
        ]

    def sight(self, image: np.ndarray) -> dict[str, Tensor]:
        """The largest centred part of the input's shape, resized; in the full pipeline as `view` has it."""
        import torch

        if self.pipeline == "full":
            return {"image": transforms(self.size, training=False)(Image.fromarray(image))[None]}
        pixels = np.array(ImageOps.fit(Image.fromarray(image), self.size[::-1], Image.Resampling.BILINEAR))
        return self.batch({"image": torch.from_numpy(pixels.transpose(2, 0, 1))[None], "label": torch.zeros(1)})

    def answer(self, image: np.ndarray, outputs: Tensor) -> Answer:
        """{"label": the likeliest, "probability": its own, "ranked": [[class, probability], ...], at most five}."""
        from tasks.answer import Answer

        best = outputs.detach().float().softmax(1)[0].cpu().topk(min(RANKED, outputs.shape[1]))
        shares, classes = best.values.tolist(), best.indices.tolist()
        names = [self.info.names[label] for label in classes]
        told = {"label": names[0], "probability": shares[0], "ranked": list(map(list, zip(names, shares, strict=True)))}
        lines = [(f"{name} {share:.0%}", INK, share) for name, share in list(zip(names, shares, strict=True))[:3]]
        return Answer(told, Panel("prediction", card(lines, SIDE)))

    def perfect(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Logits (B, C), 10 for the true class and 0 for the others."""
        import torch.nn.functional as F

        return 10.0 * F.one_hot(batch["label"], self.info.outputs)


@cache
def transforms(size: tuple[int, int], training: bool) -> Callable[[Image.Image], Tensor]:
    """timm's transform of a Pillow image to a normalised float32 (3, H, W), without its colour jitter."""
    from timm.data.transforms_factory import create_transform

    from tickets.source import MEAN, STD

    return create_transform(
        (3, *size), is_training=training, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), hflip=0.5,
        color_jitter=None,  # type: ignore[arg-type]  # timm's annotation forgets None, which leaves it out
        interpolation="bicubic", crop_pct=0.875, mean=MEAN, std=STD,
    )  # fmt: skip
