"""Images and their label images: ids made classes, both read, held against each other, and resized."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.data.files import is_turned, picture, rgb, turned
from tasks.data.samples import IGNORED, Row, Sample
from tickets.errors import DataError

BEYOND = 256  # stands for every id that one byte cannot hold


@dataclass(frozen=True)
class Legend:
    """What the ids in a data set's label images mean.

    Args:
        classes: id of a file -> class, or 255 where pixels of that id are not counted; no other id may occur.
        allowed: the ids in words, for messages.
        coloured: what to do about a label image of several channels.
    """

    classes: dict[int, int]
    allowed: str
    coloured: str = "restore it"

    @cached_property
    def table(self) -> np.ndarray:
        """int16 (257,): the class of each id, -1 where a file may not hold it, as for all ids above 255."""
        table = np.full(BEYOND + 1, -1, np.int16)
        for number, meaning in self.classes.items():
            table[number] = meaning
        return table


@dataclass(frozen=True)
class Colours:
    """What the colours of a data set's label images mean.

    Args:
        classes: (red, green, blue) of a file -> class, or 255 where pixels of it are not counted; no other may occur.
    """

    classes: dict[tuple[int, int, int], int]


def coloured(path: Path, image: Image.Image, colours: Colours) -> np.ndarray:
    """A label image of colours, uint8 (h, w): classes, and 255 where ignored; a palette's colours count, too.

    Args:
        path: of it, for the message.
        image: opened.
        colours: what they mean.

    Raises:
        DataError: a colour is none of those; names it and how many pixels have it.
    """
    pixels = np.asarray(image.convert("RGB")).astype(np.int32)
    codes = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    found = np.full(codes.shape, -1, np.int16)
    for (red, green, blue), meaning in colours.classes.items():
        found[codes == (red << 16) | (green << 8) | blue] = meaning
    if (wrong := found < 0).any():
        code = int(codes[wrong][0])
        raise DataError(
            f"{path}: has {int(wrong.sum()):,} pixels of a colour that classes.txt does not name, as "
            f"{code >> 16} {code >> 8 & 255} {code & 255}; name it there, or repaint them."
        )
    return found.astype(np.uint8)


def classes(path: Path, legend: Legend | Colours, upright: bool = False) -> np.ndarray:
    """A label image, uint8 (h, w): classes, and 255 where ignored. Grey images of 1 to 32 bits and palettes are read.

    Args:
        path: of it.
        legend: what its ids mean, or its colours.
        upright: turn it as its own EXIF orientation says, where it has one.

    Raises:
        DataError: not an image, not of one channel of whole numbers, or with an id or a colour outside the legend;
            names the file and the id.
    """
    image = picture(path, None)
    if upright:
        image = turned(image)
    if isinstance(legend, Colours):
        return coloured(path, image, legend)
    label = np.asarray(image)
    if label.ndim != 2:
        raise DataError(
            f"{path}: has {label.shape[2]} channels; a label image has one, of class ids; {legend.coloured}."
        )
    if label.dtype.kind == "f":
        raise DataError(f"{path}: holds floating-point pixels; a label image has whole numbers, class ids; restore it.")
    if label.dtype != np.uint8:
        label = label.astype(np.int64)
    found = legend.table[np.where((label < 0) | (label >= BEYOND), BEYOND, label)]
    if (wrong := found < 0).any():
        raise DataError(f"{path}: holds label {label[wrong].max()}; allowed are {legend.allowed}; restore it.")
    return found.astype(np.uint8)


def load(sample: Sample, legend: Legend | Colours, upright: bool = False) -> Row:
    """A pair at full size: {"image": uint8 (H, W, 3), "label": uint8 (H, W)}.

    Args:
        sample: its files are the label image and the image.
        legend: what the ids mean, or the colours.
        upright: turn both as their EXIF orientations say.

    Raises:
        DataError: either is missing or wrong, or they differ in size; names the file.
    """
    label_file, image_file = sample.files
    image, label = rgb(image_file, upright), classes(label_file, legend, upright)
    if label.shape != image.size[::-1]:
        height, width = label.shape
        turned = upright and label.shape == image.size and is_turned(picture(image_file, None))
        raise DataError(
            f"{label_file}: is {width} x {height} pixels and its image {image_file.name} {image.width} x "
            f"{image.height}{' as its viewers turn it' * turned}; restore the pair{', or turn the mask, too' * turned}."
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
    return Legend(
        {**{i: i for i in range(count)}, IGNORED: IGNORED},
        f"0 to {count - 1} and {IGNORED} (ignored)",
        "where its colours stand for classes, write each one's red, green and blue behind its name in classes.txt, as "
        "in 'road 128 64 128'",
    )
