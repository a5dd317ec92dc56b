"""The tasks on the embedded data: what a person does, which part a pixel is of, where the joints are; the picture, and
others like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.base import Info
from tasks.data.samples import Sample
from tasks.figures import scenes
from tasks.kinds import joints
from tasks.kinds.adversarial import Adversarial
from tasks.kinds.classification import Classification
from tasks.kinds.pose import Pose
from tasks.kinds.reconstruction import CHANNELS, Reconstruction
from tasks.kinds.segmentation import Segmentation

if TYPE_CHECKING:
    from tasks.metrics.pck import PCK


class Drawn:
    """What all tasks on drawn people share: where samples come from; mixed in before the kind."""

    store = "figures"
    read = staticmethod(scenes.read)

    def samples(self, split: str) -> list[Sample]:
        """Nothing to find: a sample is drawn from its split and number."""
        return scenes.samples(split)


@dataclass(frozen=True)
class FiguresClassification(Drawn, Classification):
    """Which of eight activities a drawn person is at."""

    info = Info(kind="cls", primary="top1", outputs=len(scenes.ACTIVITIES), names=scenes.ACTIVITIES, **scenes.ABOUT)
    columns: ClassVar[Mapping[str, str]] = {"image": "image", "label": "activity"}


@dataclass(frozen=True)
class FiguresSegmentation(Drawn, Segmentation):
    """The body parts of a drawn person, the objects about, and what stands in front."""

    info = Info(kind="seg", primary="miou", outputs=len(scenes.PARTS), names=scenes.PARTS, **scenes.ABOUT)
    columns: ClassVar[Mapping[str, str]] = {"image": "image", "label": "parts"}


@dataclass(frozen=True)
class FiguresReconstruction(Drawn, Reconstruction):
    """The drawn people themselves."""

    info = Info(kind="vae", primary="saved", outputs=len(CHANNELS), names=CHANNELS, **scenes.ABOUT)


@dataclass(frozen=True)
class FiguresPose(Drawn, Pose):
    """The 17 COCO keypoints of a drawn person."""

    info = Info(
        kind="pose", primary="pck", outputs=len(joints.KEYPOINTS), names=joints.KEYPOINTS,
        flip_pairs=joints.FLIP_PAIRS, skeleton=joints.SKELETON, torso=joints.TORSO, **scenes.ABOUT,
    )  # fmt: skip
    columns: ClassVar[Mapping[str, str]] = {"image": "image", "keypoints": "keypoints", "area": "area"}

    def metric(self, split: str = "test") -> PCK:
        """PCK@0.2 of the torso, with COCO's average precision over OKS beside it."""
        from tasks.metrics.pck import PCK

        return PCK(self.info.outputs, oks=True, codec=self.codec)


@dataclass(frozen=True)
class FiguresGeneration(Drawn, Adversarial):
    """Pictures of people like the drawn ones."""

    info = Info(kind="gan", primary="coverage", outputs=len(CHANNELS), names=CHANNELS, **scenes.ABOUT)
