"""Sheets of pictures: a sample's panels side by side, samples below each other, a legend. Pillow alone draws."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from tasks.lettering import lettered

if TYPE_CHECKING:
    from torch import Tensor

SIDE, LARGEST = 192, 320  # pixels of a panel's longer side: what small images are enlarged towards; at most
LINE, GAP = 18, 6  # pixels of a line of text, and between panels
ASPECT = 1.5  # width to height that a sheet comes near to
INK, FAINT = (20, 20, 20), (120, 120, 120)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Key:
    """An entry of a legend.

    Args:
        order: entries are sorted by it.
        name: what the colour stands for.
        colour: RGB.
        hollow: shown as a ring rather than a square.
    """

    order: int
    name: str
    colour: Colour
    hollow: bool = False


@dataclass(frozen=True)
class Panel:
    """One picture of a sample.

    Args:
        title: what it shows, as in "truth"; stands above its column.
        image: RGB.
        keys: what its colours mean.
    """

    title: str
    image: Image.Image
    keys: tuple[Key, ...] = ()


def zoom(height: int, width: int) -> float:
    """The factor at which an image is shown: whole for small ones, below 1 for those that exceed a panel.

    Example:
        >>> zoom(32, 32), zoom(96, 128), zoom(240, 320), zoom(480, 640)
        (6, 2, 1, 0.5)
    """
    longer = max(height, width)
    return max(1, round(SIDE / longer)) if longer <= LARGEST else LARGEST / longer


def shown(image: np.ndarray) -> Image.Image:
    """An image uint8 (H, W, 3) at its zoom; enlarged pixels stay squares."""
    factor = zoom(*image.shape[:2])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    how = Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.NEAREST
    return Image.fromarray(np.ascontiguousarray(image)).resize(size, how)


def coloured(image: np.ndarray, classes: np.ndarray, palette: np.ndarray) -> Image.Image:
    """Classes as colours over the grey image.

    Args:
        image: uint8 (H, W, 3).
        classes: integer (h, w), indices of the palette; of any size, it is shown at the image's.
        palette: uint8 (N, 3).
    """
    below = shown(image).convert("L").convert("RGB")
    above = Image.fromarray(palette[classes]).resize(below.size, Image.Resampling.NEAREST)
    return Image.blend(below, above, 0.7)


def colours(names: Sequence[str]) -> np.ndarray:
    """A palette uint8 (256, 3) of classes around the colour wheel; "background" is dark grey, 255 white."""
    table = np.full((256, 3), 255, np.uint8)
    vivid = [number for number, name in enumerate(names) if name != "background"]
    for place, number in enumerate(vivid):
        light = (1.0, 0.7, 0.85, 0.5)[place % 4 if len(vivid) > 12 else place % 2]
        table[number] = [round(255 * v) for v in colorsys.hsv_to_rgb(place / len(vivid), 0.85, light)]
    if "background" in names:
        table[names.index("background")] = 60
    return table


def skeleton(
    image: np.ndarray,
    points: np.ndarray,
    drawn: np.ndarray,
    hollow: np.ndarray,
    bones: Sequence[tuple[int, int]],
    colours: Sequence[Colour],
) -> Image.Image:
    """Joints and bones over the image.

    Args:
        image: uint8 (H, W, 3).
        points: float (K, 2): x, y in pixels of the image, pixel centres at integers.
        drawn: bool (K,); other joints, and bones that end in them, are left out.
        hollow: bool (K,); these joints, which are not labelled, are rings where they are drawn, and counted.
        bones: pairs of joints.
        colours: of the joints; a bone has that of its later joint.
    """
    canvas = shown(image)
    draw = ImageDraw.Draw(canvas)
    factor = zoom(*image.shape[:2])
    places = [(float(x), float(y)) for x, y in (points + 0.5) * factor]
    for a, b in bones:
        if drawn[a] and drawn[b]:
            draw.line([places[a], places[b]], fill=INK, width=4)
            draw.line([places[a], places[b]], fill=colours[max(a, b)], width=2)
    for (x, y), colour, seen, ring in zip(places, colours, drawn, hollow, strict=True):
        if seen:
            box = [x - 3, y - 3, x + 3, y + 3]
            draw.ellipse(box, fill=None if ring else colour, outline=colour if ring else INK, width=1)
    if hollow.any():
        text = f"{len(hollow) - int(hollow.sum())} of {len(hollow)} labelled"
        draw.text((3, canvas.height - LINE), text, "white", lettered(text)[1], stroke_width=2, stroke_fill=INK)
    return canvas


def card(lines: Sequence[tuple[str, Colour, float | None]], height: int, width: int = 150) -> Image.Image:
    """Lines of text in the middle of a white card.

    Args:
        lines: (text, colour, share); below the text stands a bar as long as the share, where there is one.
        height: of the card in pixels; lines that do not fit are left out.
        width: of the card in pixels; a longer text is cut.
    """
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    steps = [LINE if share is None else LINE + 10 for _, _, share in lines]
    y = max(0, (height - sum(steps)) // 2)
    for (text, colour, share), step in zip(lines, steps, strict=True):
        _write(draw, (4, y), text, colour, width - 8)
        if share is not None:
            draw.rectangle([4, y + LINE, 4 + share * (width - 9), y + LINE + 4], fill=colour)
        y += step
    return canvas


def sheet(samples: Sequence[Sequence[Panel]], names: Sequence[str] = (), caption: str = "") -> Image.Image:
    """All panels of all samples, in as many columns of samples as make a sheet of a usual shape.

    Args:
        samples: of each its panels, the same number and titles for all; sizes may differ.
        names: of the samples, above their panels; their numbers where empty.
        caption: above everything; none where empty.
    """
    names = names or [str(number) for number in range(1, len(samples) + 1)]
    widths = [max(sample[column].image.width for sample in samples) for column in range(len(samples[0]))]
    tall = max(panel.image.height for sample in samples for panel in sample) + LINE + GAP
    block = sum(widths) + GAP * len(widths) + GAP
    columns = min(range(1, len(samples) + 1), key=lambda n: _oddness(len(samples), n, block / tall))
    rows = -(-len(samples) // columns)
    keys = sorted({key for sample in samples for panel in sample for key in panel.keys}, key=lambda key: key.order)
    width = max(columns * block, 2 * SIDE)
    places, legend = _flow(keys, width)
    top = GAP + LINE * (2 if caption else 1)
    canvas = Image.new("RGB", (width, top + rows * tall + legend + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    if caption:
        _write(draw, (GAP, GAP // 2), caption, INK, width - 2 * GAP)
    for number, (sample, name) in enumerate(zip(samples, names, strict=True)):
        x, y = (number % columns) * block + GAP, top + (number // columns) * tall
        _write(draw, (x, y), name, FAINT, block - 2 * GAP)
        for panel, step in zip(sample, widths, strict=True):
            if number < columns:
                _write(draw, (x, top - LINE), panel.title, INK)
            canvas.paste(panel.image, (x, y + LINE))
            x += step + GAP
    for key, (x, y) in zip(keys, places, strict=True):
        _mark(draw, key, x, top + rows * tall + y)
    return canvas


def pictures(image: Tensor) -> np.ndarray:
    """Normalised images float (B, 3, H, W) -> uint8 (B, H, W, 3)."""
    from tasks.views.batches import denormalise

    return denormalise(image.detach()).permute(0, 2, 3, 1).cpu().numpy()


def _oddness(samples: int, columns: int, aspect: float) -> float:
    """How far a sheet is from the usual shape, and how much of it is empty."""
    rows = -(-samples // columns)
    return abs(math.log(columns * aspect / rows / ASPECT)) + (rows * columns - samples) / samples


def _flow(keys: Sequence[Key], width: int) -> tuple[list[tuple[int, int]], int]:
    """Where each entry of the legend stands, and how high the legend is."""
    places, x, y = [], GAP, 0
    for key in keys:
        step = LINE + round(_length(key.name)) + 2 * GAP
        if x > GAP and x + step > width:
            x, y = GAP, y + LINE
        places.append((x, y))
        x += step
    return places, y + LINE if keys else 0


def _mark(draw: ImageDraw.ImageDraw, key: Key, x: int, y: int) -> None:
    box = [x, y + 2, x + 11, y + 13]
    if key.hollow:
        draw.ellipse(box, outline=key.colour, width=2)
    else:
        draw.rectangle(box, fill=key.colour, outline=FAINT)
    _write(draw, (x + LINE, y), key.name, INK)


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: Colour, width: float = math.inf
) -> None:
    """Draw a text in letters that its font has, its end left out where it is longer than so many pixels."""
    text, font = lettered(text)
    if font.getlength(text) > width:
        while text and font.getlength(f"{text}…") > width:
            text = text[:-1]
        text = f"{text}…"
    draw.text(place, text, fill=colour, font=font)


def _length(text: str) -> float:
    """Pixels that a text takes."""
    text, font = lettered(text)
    return font.getlength(text)
