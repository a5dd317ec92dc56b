"""What readers of data sets share: images of any mode as RGB, and lists of names. Imports no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tasks.arrays import picture
from tickets.errors import DataError


def rgb(path: Path) -> Image.Image:
    """An image file as 8-bit RGB.

    Grey, palette, CMYK and 16-bit files are converted, 16-bit ones by their high byte; transparency is
    dropped.

    Raises:
        DataError: missing, truncated, no image, or an image of floating-point numbers; names the file.
    """
    image = picture(path, None)
    if image.mode == "F":
        raise DataError(
            f"{path}: holds floating-point pixels, whose range is unknown; save it with 8 or 16 bits."
        )
    if image.mode.startswith("I"):
        image = Image.fromarray(np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def names_in(path: Path, words: int = 1) -> list[tuple[str, ...]]:
    """The lines of a split file, each cut at white space into so many words; blank lines are skipped.

    Raises:
        DataError: the file is missing, not text, empty, or a line has another number of words or came before.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = "missing" if isinstance(error, FileNotFoundError) else f"not readable as text ({error})"
        raise DataError(f"{path}: {reason}; restore the split file of the data set.") from error
    rows: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(lines, start=1):
        row = tuple(line.split())
        if row and (len(row) != words or row in rows):
            wrong = f"repeats line {rows[row]}" if row in rows else f"has {len(row)} words, not {words}"
            raise DataError(f"{path}: line {number}, '{line.strip()}', {wrong}; restore the split file.")
        if row:
            rows[row] = number
    if not rows:
        raise DataError(f"{path}: lists no sample; restore the split file of the data set.")
    return list(rows)
