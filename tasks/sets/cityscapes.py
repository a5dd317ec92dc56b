"""Cityscapes: street scenes of European cities, nineteen classes a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tasks.base import Info
from tasks.data import pairs
from tasks.data.files import files_below, names_below
from tasks.data.samples import IGNORED, Row, Sample
from tasks.kinds.segmentation import Segmentation
from tickets.errors import DataError

# The nineteen of the benchmark's classes that are evaluated, by the id that labelIds files hold, in the order of
# their train ids, as in labels.py of the authors' cityscapesScripts.
EVALUATED = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car",
    27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
NAMES = tuple(EVALUATED.values())
LAST = 33  # ids end here; license plates, -1 in labels.py, are 255 in a file of bytes
LEGEND = pairs.Legend(
    {**dict.fromkeys((*range(LAST + 1), 255), IGNORED), **{id_: c for c, id_ in enumerate(EVALUATED)}},
    f"0 to {LAST} and 255 (labelIds)",
)
IMAGE, LABEL = "_leftImg8bit.png", "_gtFine_labelIds.png"


def load(sample: Sample) -> Row:
    """{"image", "label"} at full size, 1024 x 2048."""
    return pairs.load(sample, LEGEND)


def read(sample: Sample, size: tuple[int, int]) -> Row:
    """{"image", "label"}; `sample.extra` says whether the label is resized too or left as it is."""
    return pairs.resized(load(sample), size, label_too=sample.extra)


@dataclass(frozen=True)
class Cityscapes(Segmentation):
    """`root/cityscapes` as the archives unpack: leftImg8bit/{train,val}/CITY/*_leftImg8bit.png and
    gtFine/{train,val}/CITY/*_gtFine_labelIds.png.

    The ids are mapped to the train ids here, so that the authors' scripts need not be run. The labels of test (the
    official val) keep their own 1024 x 2048 also where images and training labels are resized to the input.
    """

    info = Info(
        kind="seg", version=1, primary="miou", outputs=len(NAMES), names=NAMES, test="val",
        citation="M. Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016",
        licence="academic and other non-commercial use; not redistributed with this project",
        url="https://www.cityscapes-dataset.com/",
    )  # fmt: skip
    store = "cityscapes"
    field_counts: ClassVar[Mapping[str, int]] = {"train": 2_975, "test": 500}  # fine annotations; test is val
    base = (2048, 1024)
    crop = (512, 1024)
    read = staticmethod(read)
    load = staticmethod(load)

    def samples(self, split: str) -> list[Sample]:
        """Every image of the split, by city, then by name, with its label image.

        Raises:
            DataError: a folder is missing, cannot be read, or holds no image.
        """
        place, part = self.folder("cityscapes"), "train" if split == "train" else "val"
        images, labels = place / "leftImg8bit" / part, place / "gtFine" / part
        found = []
        for city in names_below(images, folders=True):
            for name in files_below(images / city, (IMAGE.lower(),)):
                scene = name[: -len(IMAGE)]
                files = labels / city / f"{scene}{LABEL}", images / city / name
                found.append(Sample(scene, files, split == "train"))
        if not found:
            raise DataError(f"{images}: holds no folder of a city; unpack the archive leftImg8bit_trainvaltest.zip.")
        return found
