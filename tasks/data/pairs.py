"""Images and their label images: ids made classes, both read, held against each other, and resized."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.data.files import picture, rgb
from tasks.data.samples import IGNORED, Row, Sample
from tickets.errors import DataError

BEYOND = 256  # stands for every id that one byte cannot hold


@dataclass(frozen=True)
class Legend:
    """What the ids in a data set's label images mean.

    Args:
        classes: id of a file -> class, or 255 where pixels of that id are not counted; no other id may occur.
        allowed: the ids in words, for messages.
    """

    classes: dict[int, int]
    allowed: str

    @cached_property
    def table(self) -> np.ndarray:
        """int16 (257,): the class of each id, -1 where a file may not hold it, as for all ids above 255."""
        table = np.full(BEYOND + 1, -1, np.int16)
        for number, meaning in self.classes.items():
            table[number] = meaning
        return table


def classes(path: Path, legend: Legend) -> np.ndarray:
    """A label image, uint8 (h, w): classes, and 255 where ignored. Grey images of 1 to 32 bits and palettes are read.

    Raises:
        DataError: not an image, not of one channel of whole numbers, or with an id outside the legend; names
            the file and the id.
    """
    label = np.asarray(picture(path, None))
    if label.ndim != 2:
        raise DataError(f"{path}: has {label.shape[2]} channels; a label image has one, of class ids; restore it.")
    if label.dtype.kind == "f":
        raise DataError(f"{path}: holds floating-point pixels; a label image has whole numbers, class ids; restore it.")
    if label.dtype != np.uint8:
        label = label.astype(np.int64)
    found = legend.table[np.where((label < 0) | (label >= BEYOND), BEYOND, label)]
    if (wrong := found < 0).any():
        raise DataError(f"{path}: holds label {label[wrong].max()}; allowed are {legend.allowed}; restore it.")
    return found.astype(np.uint8)


def load(sample: Sample, legend: Legend) -> Row:
    """A pair at full size: {"image": uint8 (H, W, 3), "label": uint8 (H, W)}.

    Args:
        sample: its files are the label image and the image.
        legend: what the ids mean.

    Raises:
        DataError: either is missing or wrong, or they differ in size; names the file.
    """
    label_file, image_file = sample.files
    image, label = rgb(image_file), classes(label_file, legend)
    if label.shape != image.size[::-1]:
        height, width = label.shape
        raise DataError(
            f"{label_file}: is {width} x {height} pixels and its image {image_file.name} {image.width} x "
            f"{image.height}; restore the pair."
        )
    return {"image": np.asarray(image), "label": label}


def resized(row: Row, size: tuple[int, int], label_too: bool) -> Row:
    """A pair with its image at `size`, (H, W), bilinearly; its label too, by the nearest pixel, or left as it is."""
    image = Image.fromarray(row["image"]).resize(size[::-1], Image.Resampling.BILINEAR)
    label = row["label"]
    if label_too:
        label = np.asarray(Image.fromarray(label).resize(size[::-1], Image.Resampling.NEAREST))
    return {"image": np.asarray(image), "label": label}


@cache
def plain(count: int) -> Legend:
    """The legend of files whose ids are the classes, 0 to `count` - 1, and 255 for what is ignored."""
    return Legend({**{i: i for i in range(count)}, IGNORED: IGNORED}, f"0 to {count - 1} and {IGNORED} (ignored)")
