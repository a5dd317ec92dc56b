"""Pose of your own images: joints annotated in COCO's format, of people or of other things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.base import Info
from tasks.data.annotations import keypoints
from tasks.data.samples import SPLITS
from tasks.kinds import joints
from tasks.kinds.annotated import Annotated
from tickets.errors import DataError


@dataclass(frozen=True)
class KeypointFolder(Annotated):
    """Your own people, or other things with joints: `root/annotations/{train,test}.json`, `root/{train,test}/`.

    Or `val` in place of `test`, where there is no `annotations/test.json`; where there are both, val is what is
    validated on, else that is a slice of train. The files are of COCO's format: images
    with file_name (below the split's folder), width and height; one category with keypoints and a skeleton;
    annotations with keypoints and bbox. The joints' names say what a mirror exchanges, left_x and right_x, and
    where the torso is, from neck or shoulders to pelvis or hips. COCO's 17 joints are scored by AP, others by PCK@0.2
    of the torso, or where the names have none, of the longer side of the box about the labelled joints.
    """

    store = "pose-folder"

    @property
    def info(self) -> Info:
        """What the file of train says of its joints.

        Raises:
            DataError: as `tasks.data.annotations.keypoints`, or a joint of the left without one of the right.
        """
        path = self.places("train")[0]
        content = keypoints(path)
        torso, head = ends(content.names)
        return Info(
            kind="pose", version=1, primary="ap" if content.names == joints.KEYPOINTS else "pck",
            outputs=len(content.names), names=content.names, test=self.places("test")[1].name,
            citation="your own data", licence="as you hold it", url="",
            flip_pairs=pairs(path, content.names), skeleton=content.skeleton, torso=torso, head=head,
        )  # fmt: skip

    @property
    def official(self) -> tuple[str, ...]:
        """Val too where it has annotations beside those of test."""
        both = self.root and all((self.root / "annotations" / f"{name}.json").is_file() for name in ("val", "test"))
        return SPLITS if both else ("train", "test")

    def places(self, split: str) -> tuple[Path, Path]:
        """Of train or val, or of test, or where that has no annotations of val.

        Raises:
            DataError: no root was given, or it holds no such file.
        """
        if self.root is None:
            raise DataError(
                "no data folder was given for pose/folder; give the folder that holds annotations/train.json and "
                "train/ by --data-root or TICKETBENCH_DATA."
            )
        names = ("test", "val") if split == "test" else (split,)
        listed = [(self.root / "annotations" / f"{name}.json", self.root / name) for name in names]
        found = next((places for places in listed if places[0].is_file()), None)
        if found is None:
            looked = " or ".join(f"annotations/{name}.json" for name in names)
            raise DataError(
                f"{self.root} holds no {looked}; give the folder that does, with the images in {names[0]}/, by "
                "--data-root or TICKETBENCH_DATA."
            )
        return found


def pairs(path: Path, names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """(left, right) of the joints whose names differ in nothing else.

    Raises:
        DataError: a joint of one side has no other; names the file.
    """
    at = {name.lower(): place for place, name in enumerate(names)}
    found = []
    for name, place in at.items():
        for side, other in (("left", "right"), ("right", "left")):
            if side in name and (partner := name.replace(side, other)) not in at:
                raise DataError(
                    f"{path}: has the keypoint '{names[place]}' but none named '{partner}'; add or rename it."
                )
        if "left" in name:
            found.append((place, at[name.replace("left", "right")]))
    return tuple(found)


def ends(names: Sequence[str]) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], tuple[int, ...]]:
    """What joints' names say of lengths: `Info.torso` and `Info.head`."""
    at = {name.lower(): place for place, name in enumerate(names)}

    def first(*choices: tuple[str, ...]) -> tuple[int, ...]:
        return next((tuple(at[n] for n in choice) for choice in choices if at.keys() >= set(choice)), ())

    neck = first(("neck",), ("thorax",), ("left shoulder", "right shoulder"))
    hips = first(("pelvis",), ("left hip", "right hip"))
    head = first(("neck", "head top"), ("neck", "top of head"))
    return (neck, hips) if neck and hips else ((), ()), head
