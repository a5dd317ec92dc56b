"""CamVid: road scenes, eleven classes a pixel, in the split of the SegNet authors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from tasks.arrays import Sample, picture
from tasks.base import Info
from tasks.files import names_in, rgb
from tasks.segmentation import IGNORED, Segmentation
from tickets.errors import DataError

NAMES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip
VOID = len(NAMES)  # the files' own id of what is ignored


def read(sample: Sample, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """{"image", "label"}; `sample.extra` says whether the label is resized too (nearest) or left as is."""
    label_file, image_file = sample.files
    image, label = rgb(image_file), classes(label_file)
    if label.shape != image.size[::-1]:
        height, width = label.shape
        raise DataError(
            f"{label_file}: is {width} x {height} pixels and its image {image_file.name} {image.width} x "
            f"{image.height}; restore the pair."
        )
    if sample.extra:
        label = np.asarray(Image.fromarray(label).resize(size[::-1], Image.Resampling.NEAREST))
    return {"image": np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR)), "label": label}


def classes(path: Path) -> np.ndarray:
    """A label image, uint8 (h, w), classes 0 to 10 and 255 for void.

    Raises:
        DataError: not an image, not of one channel, or with an id above 11; names the file and the value.
    """
    label = np.asarray(picture(path, None))
    if label.ndim != 2:
        raise DataError(
            f"{path}: has {label.shape[2]} channels; a label image has one, of class ids; restore it."
        )
    if label.max() > VOID:
        raise DataError(
            f"{path}: holds label {label.max()}; allowed are 0 to {VOID - 1} and {VOID} (void); restore it."
        )
    return np.where(label == VOID, IGNORED, label).astype(np.uint8)


@dataclass(frozen=True)
class CamVid(Segmentation):
    """`root/camvid` with train.txt and val.txt, lines "train/ID.jpg trainannot/ID.png".

    Images and training labels are resized to the input; the labels of test (the official val) keep their own
    360 x 480, so that mIoU is measured at full resolution.
    """

    info = Info(
        kind="seg", version=1, primary="miou", outputs=len(NAMES), names=NAMES, test="val",
        citation="G. J. Brostow, J. Fauqueur, R. Cipolla, Semantic object classes in video: "
        "a high-definition ground truth database, Pattern Recognition Letters 30(2), 2009; "
        "split of V. Badrinarayanan, A. Kendall, R. Cipolla, SegNet, PAMI 39(12), 2017",
        licence="academic use; not redistributed with this project",
        url="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    )  # fmt: skip
    store = "camvid"
    read = staticmethod(read)

    def samples(self, split: str) -> list[Sample]:
        """The pairs that the split file lists; only the last two parts of their paths count."""
        place = self.folder("camvid")
        pairs = names_in(place / ("train.txt" if split == "train" else "val.txt"), words=2)
        return [
            Sample(PurePosixPath(image).stem, (_below(place, label), _below(place, image)), split == "train")
            for image, label in pairs
        ]


def _below(place: Path, name: str) -> Path:
    return place.joinpath(*PurePosixPath(name).parts[-2:])
