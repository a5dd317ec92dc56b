"""Pose: the keypoints of one person an image; and the embedded figures' 17 joints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tasks import figures
from tasks.arrays import Sample
from tasks.base import Info, Task
from tasks.picture import INK, Key, Panel, pictures, shown, skeleton

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.metrics import PCK

SIDES = {"left": (0, 170, 255), "right": (255, 110, 0)}  # colours in pictures, by a word of the joint's name
MIDDLE = (255, 235, 0)


@dataclass(frozen=True)
class Pose(Task):
    """One person an image. A reader gives "image" uint8 (H, W, 3) and "keypoints" float32 (K, 3): x, y,
    labelled.

    Coordinates are pixels of the image, pixel centres at integers; labelled is 0 or greater (COCO's 1 and 2
    both count). A reader may also give "area", a float32 scalar, the person's area in square pixels, for OKS.

    Batch: image float32 (B, 3, H, W), normalised; keypoints float32 (B, K, 2); visible bool (B, K), labelled
        and inside
    the image; torso float32 (B,), neck to mid-hip in pixels, 0 where one of their joints is not labelled;
    area float32 (B,) where the reader gives it. Outputs: heat maps (B, K, h', w'), logits of where the joint
    is.
    """

    affine: ClassVar[Mapping[str, Any]] = {
        "flip": True,
        "scale": (0.8, 1.25),
        "rotate_deg": 20.0,
        "translate": 0.08,
    }
    sigma: ClassVar[float] = 0.03  # spread of the target about the joint, of the input's shorter side

    def check(self, arrays: Mapping[str, np.ndarray], start: int) -> Iterable[tuple[int, str]]:
        """Keypoints of another number than the outputs', not finite, or none labelled."""
        points = arrays[self.columns.get("keypoints", "keypoints")]
        wanted = (self.info.outputs, 3)
        for row, person in enumerate(points):
            if person.shape != wanted:
                yield (
                    start + row,
                    f"its keypoints have shape {person.shape}, not {wanted}; correct the annotation.",
                )
            elif not np.isfinite(person).all():
                yield start + row, "one of its keypoints is not finite; correct the annotation."
            elif not (person[:, 2] > 0).any():
                yield start + row, "none of its keypoints is labelled; leave the image out."

    def batch(self, raw: Mapping[str, Tensor], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """{"image", "keypoints", "visible", "torso"} and "area" if stored; augmented where a generator is
        given."""
        import torch

        from tasks import augment

        image, points, labelled = (
            raw["image"],
            raw["keypoints"][..., :2].float(),
            raw["keypoints"][..., 2] > 0,
        )
        torso = self._torso(points, labelled)
        extra = {"area": raw["area"].float()} if "area" in raw else {}
        extent = torch.tensor([image.shape[-1], image.shape[-2]], device=points.device)
        visible = labelled & ((points >= -0.5) & (points < extent - 0.5)).all(2)
        if generator is not None:
            truth = {"keypoints": points, "visible": visible, "flip_pairs": self.info.flip_pairs}
            moved = augment.affine(augment.jitter(image, generator), generator, **truth, **self.affine)
            image, points, visible = moved["image"], moved["keypoints"], moved["visible"]
            torso = torso * moved["scale"]
            extra = {key: value * moved["scale"] ** 2 for key, value in extra.items()}
        return {
            "image": augment.normalise(image),
            "keypoints": points,
            "visible": visible,
            "torso": torso,
            **extra,
        }

    def head(self, features: Sequence[tuple[int, int]]) -> nn.Module:
        """The host's maps -> heat maps (B, outputs, h', w') of the finest map's size."""
        from tasks.heads import DenseHead

        return DenseHead(features, self.info.outputs)

    def loss(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy over a map's cells against a normalised Gaussian about the joint, over visible joints.

        Compared on figures after 800 steps of 64 images (a 0.12 M-parameter network, AdamW at 6e-3, maps of
        stride 4): PCK@0.2 0.69, against 0.25 with the visibility-weighted squared error on heat maps, which
        spends its first hundreds of steps on predicting nothing anywhere. 0 where no joint is visible.
        """
        import torch.nn.functional as F

        spread = self.sigma * min(batch["image"].shape[-2:])
        target = gaussians(batch["keypoints"], outputs.shape[-2:], batch["image"].shape[-2:], spread)
        cross = -(target.flatten(2) * F.log_softmax(outputs.float().flatten(2), 2)).sum(2)
        visible = batch["visible"]
        return (cross * visible).sum() / visible.sum().clamp_min(1)

    def metric(self, split: str = "test") -> PCK:
        """PCK@0.2 of the torso, of the heat maps as probabilities."""
        return located(self.info.outputs)

    def panels(self, batch: Mapping[str, Tensor], outputs: Tensor | None = None) -> list[tuple[Panel, ...]]:
        """The input, and over it the true skeleton, labelled joints only, and the predicted one.

        A predicted joint is a ring where the truth does not say where it is, since it is not scored there.
        """
        images = pictures(batch["image"])
        truth, labelled = batch["keypoints"].cpu().numpy(), batch["visible"].cpu().numpy()
        rows = [
            (Panel("input", shown(image)), self._joints("truth", image, points, seen, ~seen))
            for image, points, seen in zip(images, truth, labelled, strict=True)
        ]
        if outputs is None:
            return rows
        from tasks.metrics import decode

        found = decode(probabilities(outputs.detach()), tuple(batch["image"].shape[-2:])).cpu().numpy()
        guesses = zip(images, found, np.isfinite(found).all(2), ~labelled, strict=True)
        return [(*row, self._joints("prediction", *guess)) for row, guess in zip(rows, guesses, strict=True)]

    def _joints(
        self, title: str, image: np.ndarray, points: np.ndarray, drawn: np.ndarray, hollow: np.ndarray
    ) -> Panel:
        """Joints (K, 2) over the image uint8 (H, W, 3); hollow ones are rings."""
        sides = [next((side for side in SIDES if side in name.lower()), "middle") for name in self.info.names]
        order = dict.fromkeys(sorted(sides, key=[*SIDES, "middle"].index))
        keys = [Key(number, f"{side} joint, labelled", SIDES.get(side, MIDDLE)) for number, side in enumerate(order)]
        if (hollow & drawn).any():
            keys.append(Key(len(keys), "ring: not labelled, not scored", INK, hollow=True))
        colours = [SIDES.get(side, MIDDLE) for side in sides]
        return Panel(title, skeleton(image, points, drawn, hollow, self.info.skeleton, colours), tuple(keys))

    def perfect(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Heat maps (B, K, h, w), logarithms of Gaussians about the true joints; a quarter of a large input's size."""
        size = tuple(batch["image"].shape[-2:])
        shape = tuple(side if min(size) <= 64 else -(-side // 4) for side in size)
        return gaussians(batch["keypoints"], shape, size, 2.0).clamp_min(1e-30).log()

    def _torso(self, points: Tensor, labelled: Tensor) -> Tensor:
        """Length (B,) from the mean of the neck's keypoints to the mean of the hips'; 0 where one is not
        labelled."""
        neck, hips = (list(joints) for joints in self.info.torso)
        length = (points[:, neck].mean(1) - points[:, hips].mean(1)).norm(dim=1)
        return length * labelled[:, neck + hips].all(1)


def probabilities(outputs: Tensor) -> Tensor:
    """Heat maps as logits -> probabilities, float32 (B, K, h, w), of sum 1 over each map's cells."""
    return outputs.float().flatten(2).softmax(2).view(outputs.shape)


def located(joints: int, oks: bool = False) -> PCK:
    """The PCK metric for heat maps that are logits, as `Pose.loss` trains them."""
    from tasks.metrics import PCK

    class Located(PCK):
        def update(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> None:
            super().update(probabilities(outputs.detach()), batch)

    return Located(joints, oks=oks)


def gaussians(points: Tensor, shape: tuple[int, int], size: tuple[int, int], sigma: float) -> Tensor:
    """Gaussians about the points, each of sum 1 over a map's cells.

    Args:
        points: (B, K, 2), x and y in input pixels, pixel centres at integers.
        shape: (h, w) of the map.
        size: (H, W) of the input that the map stands for.
        sigma: spread in input pixels; at least half a cell is taken.

    Returns:
        float32 (B, K, h, w).
    """
    import torch

    sides = []
    for axis, (cells, extent) in enumerate(zip(shape[::-1], size[::-1], strict=True)):
        stride = extent / cells
        centres = (torch.arange(cells, device=points.device, dtype=torch.float32) + 0.5) * stride - 0.5
        offset = (points[..., axis, None].float() - centres) / max(sigma, stride / 2)
        sides.append(torch.softmax(-0.5 * offset**2, -1))
    return sides[1][..., :, None] * sides[0][..., None, :]


@dataclass(frozen=True)
class FiguresPose(Pose):
    """The 17 COCO keypoints of a drawn person."""

    info = Info(
        kind="pose", primary="pck", outputs=len(figures.KEYPOINTS), names=figures.KEYPOINTS,
        flip_pairs=figures.FLIP_PAIRS, skeleton=figures.SKELETON, torso=((5, 6), (11, 12)), **figures.ABOUT,
    )  # fmt: skip
    store = "figures"
    columns: ClassVar[Mapping[str, str]] = {"image": "image", "keypoints": "keypoints", "area": "area"}
    read = staticmethod(figures.read)

    def samples(self, split: str) -> list[Sample]:
        """Nothing to find: a sample is drawn from its split and number."""
        return figures.samples(split)

    def metric(self, split: str = "test") -> PCK:
        """PCK@0.2 of the torso, with COCO's average precision over OKS beside it."""
        return located(self.info.outputs, oks=True)
