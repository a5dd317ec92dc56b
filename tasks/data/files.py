"""What readers of data sets share: images of any mode as RGB, folders and lists of names. Imports no torch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from tickets import bounded
from tickets.errors import DataError

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
"""Of images, as Pillow calls them; others are not opened, of which some start a program."""
PIXELS = 2**26
"""Of an image, which takes a few hundred MiB while it is decoded."""
LARGEST = 1024 * bounded.MIB
"""Bytes of an image's file."""


def picture(path: Path, mode: str | None = "RGB") -> Image.Image:
    """A whole image file, decoded.

    Args:
        path: an image of one of `FORMATS`, by what it holds and whatever its name.
        mode: Pillow's mode to convert to; None keeps the file's own (label images).

    Raises:
        DataError: missing, truncated or no image; names the file.
    """
    try:
        bounded.check(path, LARGEST)
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > PIXELS:
                raise ValueError(
                    f"it has {image.width:,} x {image.height:,} pixels, and at most {PIXELS:,} are decoded; make it "
                    "smaller"
                )
            image.load()
            return image if mode is None else image.convert(mode)
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: not readable as an image of a format that is read, which are {', '.join(FORMATS)}; restore the "
            "file or remove it from the set."
        ) from error
    except Exception as error:  # whatever a decoder meets in a damaged file: a dozen kinds of exception
        reason = "missing" if isinstance(error, FileNotFoundError) else f"not readable as an image ({error})"
        raise DataError(f"{path}: {reason}; restore the file or remove it from the set.") from error


def rgb(path: Path, upright: bool = False) -> Image.Image:
    """An image file as 8-bit RGB; of an animation the first picture.

    Grey, palette, CMYK and 16-bit files are converted, 16-bit ones by their high byte; transparency is
    dropped.

    Args:
        path: an image of one of `FORMATS`.
        upright: turn and mirror it as its EXIF orientation says, which every viewer does and cameras rely on; data
            sets of the field are read as they are stored, as everyone scores them.

    Raises:
        DataError: missing, truncated, no image, or an image of floating-point numbers; names the file.
    """
    image = picture(path, None)
    if upright:
        image = turned(image)
    if image.mode == "F":
        raise DataError(f"{path}: holds floating-point pixels, whose range is unknown; save it with 8 or 16 bits.")
    if image.mode.startswith("I"):
        image = Image.fromarray(np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation, how an image is turned to be shown."""


def is_turned(image: Image.Image) -> bool:
    """Whether an opened image is stored otherwise than it is to be shown; one whose EXIF data are damaged is not."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in TURNS
    except Exception:  # whatever Pillow meets in damaged data: a dozen kinds of exception
        return False


def turned(image: Image.Image) -> Image.Image:
    """An opened image as it is to be shown."""
    return image.transpose(TURNS[image.getexif()[ExifTags.Base.Orientation]]) if is_turned(image) else image


def lines_in(path: Path, noun: str = "split file") -> list[str]:
    """The lines of a text file in UTF-8, blank ones too, without white space at their ends or a byte order mark.

    Args:
        path: the file.
        noun: what it is, for the message.

    Raises:
        DataError: the file is missing or not text.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = "missing" if isinstance(error, FileNotFoundError) else f"not readable as text ({error})"
        raise DataError(f"{path}: {reason}; restore the {noun} of the data set.") from error


def names_in(path: Path, words: int = 1) -> list[tuple[str, ...]]:
    """The lines of a split file, each cut at white space into so many words; blank lines are skipped.

    Raises:
        DataError: the file is missing, not text, empty, or a line has another number of words or came before.
    """
    rows: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(lines_in(path), start=1):
        row = tuple(line.split())
        if row and (len(row) != words or row in rows):
            wrong = f"repeats line {rows[row]}" if row in rows else f"has {len(row)} words, not {words}"
            raise DataError(f"{path}: line {number}, '{line}', {wrong}; restore the split file.")
        if row:
            rows[row] = number
    if not rows:
        raise DataError(f"{path}: lists no sample; restore the split file of the data set.")
    return list(rows)


def names_below(place: Path, folders: bool = False) -> list[str]:
    """Names of the files in a folder, or of the folders, sorted, hidden ones left out; links count as what they
    lead to, and those that lead nowhere as files.

    Raises:
        DataError: the folder is missing or cannot be read.
    """
    try:
        with os.scandir(place) as entries:
            return sorted(e.name for e in entries if e.is_dir() == folders and not e.name.startswith("."))
    except OSError as error:
        reason = "missing" if isinstance(error, FileNotFoundError) else f"not readable as a folder ({error.strerror})"
        raise DataError(f"{place}: {reason}; restore this folder of the data set.") from error


def files_below(place: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Names of the files in a folder that end in one of these, in upper or lower case, sorted.

    Raises:
        DataError: the folder is missing, cannot be read, or holds no such file.
    """
    found = [name for name in names_below(place) if name.lower().endswith(suffixes)]
    if not found:
        raise DataError(f"{place}: holds no file that ends in {', '.join(suffixes)}; restore this folder.")
    return found
