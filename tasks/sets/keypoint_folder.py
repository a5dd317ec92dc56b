"""Pose of your own images: joints annotated in COCO's format, of people or of other things."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.base import Info
from tasks.data.annotations import Content, keypoints
from tasks.data.samples import SPLITS, Row, Sample
from tasks.kinds import annotated, joints, sides
from tasks.kinds.annotated import Annotated
from tickets.errors import DataError


def load(sample: Sample) -> Row:
    """As `annotated.load`, the image as its viewers show it."""
    return annotated.load(sample, upright=True)


def read(sample: Sample, size: tuple[int, int]) -> Row:
    """As `annotated.read`, the image as its viewers show it."""
    return annotated.read(sample, size, upright=True)


@dataclass(frozen=True)
class KeypointFolder(Annotated):
    """Your own people, or other things with joints: `root/annotations/{train,test}.json`, `root/{train,test}/`.

    Or `val` in place of `test`, where there is no `annotations/test.json`; where there are both, val is what is
    validated on, else that is a slice of train. The files are of COCO's format: images
    with file_name (below the split's folder), width and height; a category with keypoints, or several with the same;
    annotations with keypoints and bbox. The category's `flip_pairs`, pairs of names, say what a mirror exchanges, or
    the joints' names do: left_x and right_x, x_L and x_R, LX and RX; where neither does, nothing is mirrored. Names
    say where the torso is, from neck or shoulders to pelvis or hips. COCO's 17 joints are scored by AP, others by
    PCK@0.2 of the torso, or where the names have none, of the longer side of the box about the labelled joints.
    """

    store = "pose-folder"
    is_own = True
    read = staticmethod(read)
    load = staticmethod(load)

    @property
    def info(self) -> Info:
        """What the file of train says of its joints.

        Raises:
            DataError: as `tasks.data.annotations.keypoints`, or a joint of the left without one of the right.
        """
        path, content = self._train()
        torso, head = sides.ends(content.names)
        pairs = sides.pairs(path, content.names) if content.pairs is None else content.pairs
        return Info(
            kind="pose", version=2, primary="ap" if content.names == joints.KEYPOINTS else "pck",
            outputs=len(content.names), names=content.names, test=self.places("test")[1].name,
            citation="your own data", licence="as you hold it", url="",
            flip_pairs=pairs, mirrors=bool(pairs) or content.pairs is not None, skeleton=content.skeleton,
            torso=torso, head=head,
        )  # fmt: skip

    def _train(self) -> tuple[Path, Content]:
        path = self.places("train")[0]
        return path, keypoints(path)

    @property
    def beside(self) -> str:
        """The pairs that the file of train names."""
        named = self._train()[1].pairs
        return "" if named is None else f"flip_pairs {named}"

    def remarks(self) -> list[str]:
        """What was taken for left and right, and what the files of annotations say."""
        info, is_named = self.info, self._train()[1].pairs is not None
        return [sides.told(info.names, info.flip_pairs, by_name=not is_named), *super().remarks()]

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
                "train/ by --data pose/folder=PATH, --data-root or TICKETBENCH_DATA."
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
