"""Keypoints of people annotated in COCO's format: COCO itself, and your own images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from tasks import joints, topdown
from tasks.annotations import Box, Content, detections, keypoints
from tasks.base import Info
from tasks.files import rgb
from tasks.pose import Pose
from tasks.samples import Row, Sample
from tickets.errors import DataError, UserError

if TYPE_CHECKING:
    from tasks.metrics import Metric


class Instance(NamedTuple):
    """What a reader knows of one person: `Sample.extra`."""

    photo: int
    annotation: int  # 0 where a detector found the box
    box: Box
    score: float  # of the box
    joints: tuple[float, ...]  # x, y, labelled of each joint
    size: tuple[int, int]  # (width, height) of the image as annotated


def load(sample: Sample) -> Row:
    """The whole image and its person.

    {"image" uint8 (h, w, 3), "keypoints" float32 (K, 3), "box" float32 (4,), "box_score" float32, "image_id" and
    "annotation" int64}; what is not labelled is 0.
    """
    person, image = sample.extra, rgb(sample.files[0])
    if image.size != person.size:
        raise DataError(
            f"{sample.where}: is {image.width} x {image.height} pixels, in {sample.files[1]} {person.size[0]} x "
            f"{person.size[1]}; restore the pair."
        )
    points = np.array(person.joints, np.float32).reshape(-1, 3)
    return {
        "image": np.asarray(image),
        "keypoints": points * (points[:, 2:] > 0),
        "box": np.array(person.box, np.float32),
        "box_score": np.float32(person.score),
        "image_id": np.int64(person.photo),
        "annotation": np.int64(person.annotation),
    }


def read(sample: Sample, size: tuple[int, int]) -> Row:
    """The same, image and keypoints in the frame about the box; the box stays as it lies in the whole image."""
    row = load(sample)
    frame = topdown.enclosing(row["box"], size)
    points = topdown.moved(row["keypoints"][:, :2], topdown.matrix(*frame, size))
    labelled = row["keypoints"][:, 2:]
    return {
        **row,
        "image": topdown.resized(Image.fromarray(row["image"]), *frame, size),
        "keypoints": np.where(labelled > 0, np.column_stack([points, labelled]), 0.0).astype(np.float32),
    }


@dataclass(frozen=True)
class Annotated(Pose):
    """People in images that a JSON file in COCO's format describes; a sample is a person with a labelled joint.

    Crowds and people without labelled joints are no samples, but AP knows of them. The people of one image stay
    together when val is taken out of train.
    """

    read = staticmethod(read)
    load = staticmethod(load)

    @abstractmethod
    def places(self, split: str) -> tuple[Path, Path]:
        """The file of annotations and the folder of images of an official split."""

    def content(self, split: str) -> Content:
        """What the annotations of an official split hold.

        Raises:
            DataError: as `tasks.annotations.keypoints`, or their joints are not this task's.
        """
        path = self.places(split)[0]
        content = keypoints(path)
        if content.names != self.info.names:
            odd = sorted(set(content.names) ^ set(self.info.names)) or ["their order"]
            raise DataError(
                f"{path}: has {len(content.names)} joints, the task {len(self.info.names)}: they differ in "
                f"{', '.join(odd[:5])}{' and more' if odd[5:] else ''}; give each split the task's joints."
            )
        return content

    def instances(self, split: str) -> list[Instance]:
        """Every usable person of an official split, by image, then by annotation.

        Raises:
            DataError: as `content`, or there is nobody.
        """
        content = self.content(split)
        found = [
            Instance(person.photo, person.number, person.box, 1.0, person.joints, content.photos[person.photo][1:])
            for person in content.people
            if person.usable
        ]
        if not found:
            raise DataError(
                f"{self.places(split)[0]}: has nobody with a labelled joint; give a file of keypoint annotations."
            )
        return found

    def samples(self, split: str) -> list[Sample]:
        """A sample for each instance, grouped by image."""
        listed, images = self.places(split)
        photos = self.content(split).photos
        found = []
        for place, person in enumerate(self.instances(split)):
            file = photos[person.photo].file
            name = f"{file}#{person.annotation or f'detection {place}'}"
            found.append(Sample(name, (images / file, listed), person, group=file))
        return found

    def check(self, arrays: Mapping[str, np.ndarray], start: int) -> Iterable[tuple[int, str]]:
        """Nothing is left to check: annotations were when they were read, and detections have none."""
        return ()

    def metric(self, split: str = "test") -> Metric:
        """OKS AP of COCO's 17 joints, against everybody in the split's images; of other joints PCK@0.2.

        The images of a slice of train are those of its samples.
        """
        pck = super().metric(split)
        if self.info.primary == "pck":
            return pck
        from tasks.oks import KeypointAP

        whole = split == "test" or "val" in self.official
        content = self.content(split if whole else "train")
        photos = content.photos if whole else [sample.extra.photo for sample in self.members(split)]
        return KeypointAP(content.truth(photos), self.codec, pck)


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
            DataError: as `tasks.annotations.keypoints`, or a joint of the left without one of the right.
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
        return ("train", "val", "test") if both else ("train", "test")

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
