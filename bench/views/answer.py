"""A network's answers as files: a picture for eyes, a mask of class ids for programs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.answer import Answer
from tasks.picture import Panel, colours, sheet, shown
from tickets import atomic


def draw(image: np.ndarray, answer: Answer, name: str, path: Path) -> None:
    """Write the picture of an image uint8 (H, W, 3) and what was said of it, side by side, as a PNG file.

    Raises:
        CannotWriteError: the disk does not take it.
    """
    _save(sheet([(Panel("input", shown(image)), answer.panel)], [name]), path)


def mask(classes: np.ndarray, names: tuple[str, ...], path: Path) -> None:
    """Write class ids uint8 (H, W) as a PNG file of a palette: the pixels are ids, shown in their classes' colours.

    Raises:
        CannotWriteError: the disk does not take it.
    """
    picture = Image.fromarray(classes).convert("P")
    picture.putpalette(colours(names).ravel().tolist())
    _save(picture, path)


def _save(picture: Image.Image, path: Path) -> None:
    data = io.BytesIO()
    picture.save(data, "png")
    atomic.write(path, data.getvalue())
