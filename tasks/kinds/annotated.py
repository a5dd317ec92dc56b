"""Pose of people who are annotated in COCO's format; a sample is a person in a box."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from PIL import Image

from tasks.base import Loader, Reader
from tasks.data import exported, noted
from tasks.data.annotations import Box, Content, keypoints
from tasks.data.files import rgb
from tasks.data.samples import Row, Sample
from tasks.kinds.pose import Pose
from tasks.views import topdown
from tickets.errors import DataError

if TYPE_CHECKING:
    from tasks.metrics.base import Metric


class Instance(NamedTuple):
    """What a reader knows of one person: `Sample.extra`."""

    photo: int
    annotation: int  # 0 where a detector found the box
    box: Box
    score: float  # of the box
    joints: tuple[float, ...]  # x, y, labelled of each joint
    size: tuple[int, int]  # (width, height) of the image as annotated


def load(sample: Sample, upright: bool = False) -> Row:
    """The whole image and its person; `upright` as for `rgb`.

    {"image" uint8 (h, w, 3), "keypoints" float32 (K, 3), "box" float32 (4,), "box_score" float32, "image_id" and
    "annotation" int64}; what is not labelled is 0.
    """
    person, image = sample.extra, rgb(sample.files[0], upright)
    if image.size != person.size:
        turned = " as its viewers turn it" if upright and image.size[::-1] == person.size else ""
        raise DataError(
            f"{sample.where}: is {image.width} x {image.height} pixels{turned}, in {sample.files[1]} "
            f"{person.size[0]} x {person.size[1]}; restore the pair{', or annotate the upright image' * bool(turned)}."
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


def read(sample: Sample, size: tuple[int, int], upright: bool = False) -> Row:
    """The same, image and keypoints in the frame about the box; the box stays as it lies in the whole image."""
    row = load(sample, upright)
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

    read: ClassVar[Reader] = staticmethod(read)
    load: ClassVar[Loader | None] = staticmethod(load)

    @abstractmethod
    def places(self, split: str) -> tuple[Path, Path]:
        """The file of annotations and the folder of images of an official split."""

    def content(self, split: str) -> Content:
        """What the annotations of an official split hold.

        Raises:
            DataError: as `tasks.data.annotations.keypoints`, or their joints are not this task's.
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

    def remarks(self) -> list[str]:
        """What the files of annotations say, split by split."""
        return [
            remark
            for split in self.official
            for remark in noted.remarks(self.places(split)[0].name, self.content(split))
        ]

    def samples(self, split: str) -> list[Sample]:
        """A sample for each instance, grouped by image.

        Raises:
            DataError: as `instances`, or as `tasks.data.exported.files`.
        """
        listed, images = self.places(split)
        photos, instances = self.content(split).photos, self.instances(split)
        files = exported.files(listed, images, {photos[person.photo].file for person in instances})
        found = []
        for place, person in enumerate(instances):
            file = files[photos[person.photo].file]
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
        from tasks.metrics.keypoint_ap import KeypointAP
        from tasks.metrics.pck import PCK

        pck = PCK(self.info.outputs, codec=self.codec)
        if self.info.primary == "pck":
            return pck
        whole = split == "test" or "val" in self.official
        content = self.content(split if whole else "train")
        photos = content.photos if whole else [sample.extra.photo for sample in self.members(split)]
        return KeypointAP(content.truth(photos), self.codec, pck)
