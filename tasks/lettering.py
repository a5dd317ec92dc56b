"""Text in pictures, in letters that a font has: names outside of a font's letters would be boxes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SIZE = 13
LARGER = ("mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
"""Below matplotlib's folder, where that is installed: Latin, Greek, Cyrillic, Arabic, Hebrew and more, but not Chinese,
Japanese or Korean."""


def lettered(text: str) -> tuple[str, Font]:
    """A text as it can be drawn, and the font to draw it in.

    Returns:
        The text itself in the first font that has all of its letters; else in the largest, those that it lacks as
        their code, as in "\\\\u732b".
    """
    for font in _fonts():
        if all(_has(font, letter) for letter in text):
            return text, font
    return "".join(letter if _has(font, letter) else _code(letter) for letter in text), font


@cache
def _fonts() -> tuple[Font, ...]:
    """Pillow's own font, and a larger one where it is to be had."""
    return (ImageFont.load_default(SIZE), *(ImageFont.truetype(str(path), SIZE - 1) for path in _larger()))


def _larger() -> Iterator[Path]:
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder).joinpath(*LARGER)).is_file():
            yield path


@cache
def _has(font: Font, letter: str) -> bool:
    """Whether a letter looks otherwise than one that no font has."""
    if letter.isspace() or not isinstance(font, ImageFont.FreeTypeFont):
        return letter.isascii()
    return bytes(font.getmask(letter)) != bytes(font.getmask("\U0010ffff"))


def _code(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
