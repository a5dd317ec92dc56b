"""Pose: the keypoints of one person an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image

from tasks.base import Features, Task
from tasks.data.samples import Row
from tasks.kinds.sides import sided
from tasks.picture import INK, Key, Panel, pictures, shown, skeleton
from tasks.views import topdown
from tickets.errors import UserError, unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.answer import Answer
    from tasks.metrics.base import Metric
    from tasks.metrics.heatmaps import Codec
    from tickets.source import Reduction

OBJECTIVES = ("cross_entropy", "mse")

SIDES = {"left": (0, 170, 255), "right": (255, 110, 0)}  # colours in pictures
MIDDLE = (255, 235, 0)


@dataclass(frozen=True)
class Pose(Task):
    """One person an image. A reader gives "image" uint8 (H, W, 3) and "keypoints" float32 (K, 3): x, y,
    labelled.

    Coordinates are pixels of the image, pixel centres at integers; labelled is 0 or greater (COCO's 1 and 2
    both count). A reader may also give "area", a float32 scalar, the person's area in square pixels, for OKS.
    Further keys are passed on to the batch as they are.

    Batch: image float32 (B, 3, H, W), normalised; keypoints float32 (B, K, 2); visible bool (B, K), labelled
    and inside the image; torso float32 (B,), neck to mid-hip in pixels, 0 where one of their joints is not
    labelled, and of joints without a torso the longer side of the box about the labelled ones; head float32 (B,),
    neck to its top, likewise, of joints that have them; area float32 (B,) where the reader gives it. Outputs:
    heat maps (B, K, h', w').

    The full pipeline is HRNet's and of `tasks.views.topdown`: `load` gives whole images, their "keypoints" and "box"
    float32 (4,), x, y, width, height of the person; in training the views are its random ones.

    Args:
        objective: "cross_entropy", outputs are logits of where a joint is, or "mse", heat maps as the release's.
        flip_test: outputs are averaged with those of the mirrored image, mirrored back, where `Info.mirrors`.
    """

    objective: str = "cross_entropy"
    flip_test: bool = False

    exported: ClassVar[str] = "heatmaps"
    affine: ClassVar[Mapping[str, Any]] = {
        "flip": True,
        "scale": (0.8, 1.25),
        "rotate_deg": 20.0,
        "translate": 0.08,
    }
    padding: ClassVar[float] = topdown.PADDING  # of the frame about a box, in the full pipeline

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective not in OBJECTIVES:
            raise unknown("objective", str(self.objective), OBJECTIVES)
        if not isinstance(self.flip_test, bool):
            raise UserError(f"flip_test is {self.flip_test!r}; give true or false.")

    @property
    def codec(self) -> Codec:
        """The objective's loss, and how its heat maps are read."""
        from tasks.metrics.heatmaps import CODECS

        return CODECS[self.objective]

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
        """The batch that the class documents; augmented where a generator is given."""
        import torch

        from tasks.views import batches

        image, points, labelled = (
            raw["image"],
            raw["keypoints"][..., :2].float(),
            raw["keypoints"][..., 2] > 0,
        )
        lengths = self._lengths(points, labelled)
        area = {"area": raw["area"].float()} if "area" in raw else {}
        extent = torch.tensor([image.shape[-1], image.shape[-2]], device=points.device)
        visible = labelled & ((points >= -0.5) & (points < extent - 0.5)).all(2)
        if generator is not None:
            moved = batches.affine(
                batches.jitter(image, generator), generator, keypoints=points, visible=visible,
                flip_pairs=self.info.flip_pairs, **{**self.affine, "flip": self.affine["flip"] and self.info.mirrors},
            )  # fmt: skip
            image, points, visible = moved["image"], moved["keypoints"], moved["visible"]
            lengths = {key: value * moved["scale"] for key, value in lengths.items()}
            area = {key: value * moved["scale"] ** 2 for key, value in area.items()}
        return {
            "image": batches.normalise(image),
            "keypoints": points,
            "visible": visible,
            **lengths,
            **{key: value for key, value in raw.items() if key not in ("image", "keypoints")},
            **area,
        }

    def view(self, row: Row, training: bool) -> dict[str, Tensor]:
        """A batch's entries of one person; a random view in training, else the frame about the box."""
        import torch

        points, labelled = row["keypoints"][:, :2].astype(float), row["keypoints"][:, 2] > 0
        forward, mirror = self._forward(row, points, labelled, training)
        points = topdown.moved(points, forward)
        if mirror:
            order = np.arange(len(points))
            for left, right in self.info.flip_pairs:
                order[[left, right]] = right, left
            points, labelled = points[order], labelled[order]
        person = np.where(labelled[:, None], np.column_stack([points, labelled]), 0.0).astype(np.float32)
        image = topdown.warped(Image.fromarray(row["image"]), forward, self.size).transpose(2, 0, 1)
        raw = {**row, "image": image, "keypoints": person}
        batch = self.batch({key: torch.from_numpy(np.array(value))[None] for key, value in raw.items()})
        return {key: value[0] for key, value in batch.items()}

    def _forward(self, row: Row, points: np.ndarray, labelled: np.ndarray, training: bool) -> tuple[np.ndarray, bool]:
        """The map from the image to the input, and whether it mirrors."""
        frame = topdown.enclosing(row["box"], self.size, self.padding)
        if training:
            lower = topdown.lower_body(self.info.names)
            return topdown.draw(frame, points, labelled, lower, self.size, self.info.mirrors)
        return topdown.matrix(*frame, self.size), False

    def predict(self, network: Callable[[Tensor], Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """Heat maps; with `flip_test` the mean with those of the mirrored images, mirrored back."""
        from tasks.metrics.heatmaps import mirrored

        outputs = network(batch["image"])
        if not (self.flip_test and self.info.mirrors):
            return outputs
        other = network(batch["image"].flip(3))
        return (outputs + mirrored(other, self.info.flip_pairs, self.codec.shift)) / 2

    def head(self, features: Features) -> nn.Module:
        """The host's maps -> heat maps (B, outputs, h', w') of the finest map's size."""
        from tasks.heads.light import DenseHead

        return DenseHead(features, self.info.outputs)

    def loss(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """The objective's, over visible joints; see `tasks.metrics.heatmaps`."""
        from tasks.metrics.heatmaps import sides

        return self.codec.loss(outputs, batch["keypoints"], batch["visible"], sides(batch["image"]))

    def merge(self, outputs: Sequence[Tensor]) -> Tensor:
        """The objective's: logits of the mean probabilities of where a joint is, or mean heat maps."""
        return self.codec.merge(outputs)

    @property
    def has_temperature(self) -> bool:
        """Where outputs are logits, but not where they are heat maps."""
        return self.objective == "cross_entropy"

    def imitation(
        self,
        outputs: Tensor,
        teacher: Tensor,
        batch: Mapping[str, Tensor],
        temperature: float = 1.0,
        reduction: Reduction = "sum",
    ) -> Tensor:
        """The objective's, over visible joints; see `tasks.metrics.heatmaps`."""
        return self.codec.imitation(outputs, teacher, batch["visible"], temperature, reduction)

    def metric(self, split: str = "test") -> Metric:
        """PCK@0.2 of the torso."""
        from tasks.metrics.pck import PCK

        return PCK(self.info.outputs, codec=self.codec)

    def panels(self, batch: Mapping[str, Tensor], outputs: Tensor | None = None) -> Sequence[tuple[Panel, ...]]:
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
        from tasks.metrics.heatmaps import sides

        size = sides(batch["image"])
        found = self.codec.points(self.codec.maps(outputs.detach()), size).cpu().numpy()
        guesses = zip(images, found, np.isfinite(found).all(2), ~labelled, strict=True)
        return [(*row, self._joints("prediction", *guess)) for row, guess in zip(rows, guesses, strict=True)]

    def _joints(
        self, title: str, image: np.ndarray, points: np.ndarray, drawn: np.ndarray, hollow: np.ndarray
    ) -> Panel:
        """Joints (K, 2) over the image uint8 (H, W, 3); hollow ones are rings."""
        sides = [sided(name)[0] or "middle" for name in self.info.names]
        order = dict.fromkeys(sorted(sides, key=[*SIDES, "middle"].index))
        keys = [Key(number, f"{side} joint, labelled", SIDES.get(side, MIDDLE)) for number, side in enumerate(order)]
        if (hollow & drawn).any():
            keys.append(Key(len(keys), "ring: not labelled, not scored", INK, hollow=True))
        colours = [SIDES.get(side, MIDDLE) for side in sides]
        return Panel(title, skeleton(image, points, drawn, hollow, self.info.skeleton, colours), tuple(keys))

    def sight(self, image: np.ndarray) -> dict[str, Tensor]:
        """The whole image as the frame of one person, its proportions kept, black about it."""
        import torch

        from tasks.views import batches

        frame = self._whole(image)
        if self.pipeline == "full":
            pixels = topdown.warped(Image.fromarray(image), topdown.matrix(*frame, self.size), self.size)
        else:
            pixels = topdown.resized(Image.fromarray(image), *frame, self.size)
        return {"image": batches.normalise(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None])}

    def answer(self, image: np.ndarray, outputs: Tensor) -> Answer:
        """{"joints": {name: [x, y, confidence]}}, pixel centres at integers; null for a joint that is nowhere."""
        from tasks.answer import Answer

        maps = self.codec.maps(outputs.detach())
        found = self.codec.points(maps, self.size)[0].cpu().numpy().astype(float)
        sure = self.codec.confidence(maps, self.size)[0].cpu().tolist()
        points = topdown.moved(found, topdown.inverse(topdown.matrix(*self._whole(image), self.size)))
        drawn = np.isfinite(points).all(1)
        joints = {
            name: [*map(float, point), share] if there else None
            for name, point, share, there in zip(self.info.names, points, sure, drawn, strict=True)
        }
        panel = self._joints("prediction", image, points, drawn, np.zeros_like(drawn))
        return Answer({"joints": joints}, panel)

    def _whole(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The frame about a whole image (H, W, 3)."""
        return topdown.enclosing(np.array([0, 0, image.shape[1], image.shape[0]]), self.size, padding=1.0)

    def perfect(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Heat maps (B, K, h, w) that say where the true joints are; of a quarter of a large input's size."""
        from tasks.metrics.heatmaps import sides

        height, width = size = sides(batch["image"])
        shape = size if min(size) <= 64 else (-(-height // 4), -(-width // 4))
        return self.codec.perfect(batch["keypoints"], shape, size)

    def _lengths(self, points: Tensor, labelled: Tensor) -> dict[str, Tensor]:
        """{"torso"} and "head" (B,) of joints (B, K, 2) that have one; 0 where one of its joints is not labelled."""
        found = {}
        (neck, hips), head = self.info.torso, self.info.head
        for name, ends in {"torso": (neck, hips), "head": (head[:1], head[1:])}.items():
            if all(ends):
                one, other = (list(joints) for joints in ends)
                length = (points[:, one].mean(1) - points[:, other].mean(1)).norm(dim=1)
                found[name] = length * labelled[:, one + other].all(1)
        return found if "torso" in found else {**found, "torso": _span(points, labelled)}


def _span(points: Tensor, labelled: Tensor) -> Tensor:
    """The longer side (B,) of the box about the labelled joints; 0 without any."""
    far = float("inf")
    low, high = (points.where(labelled[..., None], end) for end in (far, -far))
    return (high.amax(1) - low.amin(1)).amax(1).clamp_min(0)
