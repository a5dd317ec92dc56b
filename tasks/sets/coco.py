"""COCO: keypoints of people in photographs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tasks.base import Info
from tasks.data.annotations import detections
from tasks.kinds import joints
from tasks.kinds.annotated import Annotated, Instance
from tickets.errors import UserError


@dataclass(frozen=True)
class Coco(Annotated):
    """COCO 2017 keypoints, top-down.

    `root/coco/annotations/person_keypoints_{train,val}2017.json` and `root/coco/{train,val}2017/*.jpg`.

    Args:
        detections: a JSON file of person boxes with scores in COCO's result format, absolute or below `root/coco`,
            in place of the annotated boxes on test; the record names it. Published figures differ by several points
            between the two.
    """

    detections: str = ""

    store = "coco"
    field_counts: ClassVar[Mapping[str, int]] = {
        "train": 149_813,
        "test": 6_352,
    }  # people with joints, as top-down methods load them; test is val2017

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.detections, str):
            raise UserError(f"detections is {self.detections!r}; give the name of a JSON file, or leave it out.")

    @property
    def info(self) -> Info:
        """COCO's person, and which boxes test has."""
        boxes = f"detections {Path(self.detections).name}" if self.detections else "ground-truth boxes"
        return Info(
            kind="pose", version=1, primary="ap", outputs=len(joints.KEYPOINTS), names=joints.KEYPOINTS,
            test=f"val2017, {boxes}",
            citation="T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014",
            licence="annotations CC BY 4.0; images under Flickr's terms; not redistributed with this project",
            url="https://cocodataset.org/",
            flip_pairs=joints.FLIP_PAIRS, skeleton=joints.SKELETON, torso=joints.TORSO,
        )  # fmt: skip

    def places(self, split: str) -> tuple[Path, Path]:
        """Of train2017 or val2017."""
        place, year = self.folder("coco"), "train2017" if split == "train" else "val2017"
        return place / "annotations" / f"person_keypoints_{year}.json", place / year

    def instances(self, split: str) -> list[Instance]:
        """The annotated people, or on test the detected ones, of whom no joint is known."""
        if split != "test" or not self.detections:
            return super().instances(split)
        content = self.content(split)
        path = self.folder("coco") / Path(self.detections).expanduser()
        unknown = (0,) * (3 * self.info.outputs)
        return [
            Instance(photo, 0, box, score, unknown, content.photos[photo][1:])
            for photo, box, score in detections(path, content)
        ]
