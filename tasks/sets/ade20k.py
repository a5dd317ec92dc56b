"""ADE20K as the MIT Scene Parsing Benchmark has it: scenes of every kind, 150 classes a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tasks.base import Info
from tasks.data import pairs
from tasks.data.files import files_below
from tasks.data.samples import IGNORED, Row, Sample
from tasks.kinds.segmentation import Segmentation

NAMES = (
    "wall", "building", "sky", "floor", "tree", "ceiling", "road", "bed", "windowpane", "grass", "cabinet",
    "sidewalk", "person", "earth", "door", "table", "mountain", "plant", "curtain", "chair", "car", "water",
    "painting", "sofa", "shelf", "house", "sea", "mirror", "rug", "field", "armchair", "seat", "fence", "desk",
    "rock", "wardrobe", "lamp", "bathtub", "railing", "cushion", "base", "box", "column", "signboard",
    "chest of drawers", "counter", "sand", "sink", "skyscraper", "fireplace", "refrigerator", "grandstand", "path",
    "stairs", "runway", "case", "pool table", "pillow", "screen door", "stairway", "river", "bridge", "bookcase",
    "blind", "coffee table", "toilet", "flower", "book", "hill", "bench", "countertop", "stove", "palm",
    "kitchen island", "computer", "swivel chair", "boat", "bar", "arcade machine", "hovel", "bus", "towel", "light",
    "truck", "tower", "chandelier", "awning", "streetlight", "booth", "television receiver", "airplane", "dirt track",
    "apparel", "pole", "land", "bannister", "escalator", "ottoman", "bottle", "buffet", "poster", "stage", "van",
    "ship", "fountain", "conveyer belt", "canopy", "washer", "plaything", "swimming pool", "stool", "barrel",
    "basket", "waterfall", "tent", "bag", "minibike", "cradle", "oven", "ball", "food", "step", "tank", "trade name",
    "microwave", "pot", "animal", "bicycle", "lake", "dishwasher", "screen", "blanket", "sculpture", "hood", "sconce",
    "vase", "traffic light", "tray", "ashcan", "fan", "pier", "crt screen", "plate", "monitor", "bulletin board",
    "shower", "radiator", "glass", "clock", "flag",
)  # fmt: skip
# in a file 0 is what belongs to none of the 150, and is not evaluated
LEGEND = pairs.Legend({0: IGNORED, **{c + 1: c for c in range(len(NAMES))}}, f"1 to {len(NAMES)} and 0 (other objects)")


def load(sample: Sample) -> Row:
    """{"image", "label"} at full size."""
    return pairs.load(sample, LEGEND)


def read(sample: Sample, size: tuple[int, int]) -> Row:
    """{"image", "label"}, both resized."""
    return pairs.resized(load(sample), size, label_too=True)


@dataclass(frozen=True)
class ADE20K(Segmentation):
    """`root/ADEChallengeData2016` as the archive unpacks: images/{training,validation}/*.jpg and
    annotations/{training,validation}/*.png.

    The images differ in size, so that in the resized pipeline the labels of test (the official validation) are
    resized to the input as those of train are; the full pipeline scores at each label's own size.
    """

    info = Info(
        kind="seg", version=1, primary="miou", outputs=len(NAMES), names=NAMES, test="validation",
        citation="B. Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017",
        licence="images for non-commercial research and education, annotations BSD 3-Clause; not redistributed with "
        "this project",
        url="http://sceneparsing.csail.mit.edu/",
    )  # fmt: skip
    store = "ade20k"
    field_counts: ClassVar[Mapping[str, int]] = {
        "train": 20_210,
        "test": 2_000,
    }  # the benchmark's page; test is validation
    read = staticmethod(read)
    load = staticmethod(load)

    def samples(self, split: str) -> list[Sample]:
        """Every image of the split, by name, with its label image.

        Raises:
            DataError: a folder is missing, cannot be read, or holds no image.
        """
        place, part = self.folder("ADEChallengeData2016"), "training" if split == "train" else "validation"
        images, labels = place / "images" / part, place / "annotations" / part
        return [
            Sample(stem, (labels / f"{stem}.png", images / name))
            for name in files_below(images, (".jpg",))
            for stem in [Path(name).stem]
        ]
