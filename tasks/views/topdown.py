"""One person cut out of a photograph: from a box to the input's frame and back, and the field's random views.

The protocol of HRNet and mmpose, of which the SuperTickets release is an instance. Points are x, y in pixels with
pixel centres at integers; a box is COCO's: x, y, width, height, counted from the image's edge. Imports no torch;
randomness is NumPy's global generator's, which the caller has seeded.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

PADDING = 1.25  # of the frame about a person's box
HALF_PADDING = 1.5  # of the frame about half a body's joints
LEAST = 8  # labelled joints that a person has more of to be cut in half
LOWER = ("hip", "knee", "ankle", "foot", "toe", "heel")  # words in the names of the lower body's joints


def enclosing(box: np.ndarray, size: tuple[int, int], padding: float = PADDING) -> tuple[np.ndarray, np.ndarray]:
    """The frame about a box: its centre (x, y), and its extent (w, h) in pixels, of the shape of `size`, (H, W)."""
    x, y, width, height = (float(value) for value in box)
    return np.array([x + width / 2 - 0.5, y + height / 2 - 0.5]), padding * _shaped(width, height, size)


def _shaped(width: float, height: float, size: tuple[int, int]) -> np.ndarray:
    """The smallest (w, h) of the shape of `size`, (H, W), that holds a width and a height."""
    aspect = size[1] / size[0]
    return np.array([max(width, height * aspect), max(height, width / aspect)])


def matrix(
    centre: np.ndarray,
    extent: np.ndarray,
    size: tuple[int, int],
    rotation_deg: float = 0.0,
    mirrored: bool = False,
) -> np.ndarray:
    """The affine map (2, 3) from the image to the input.

    The frame is turned about its centre, scaled so that its edges meet the input's, and then mirrored.

    Args:
        centre: (x, y) of the frame in the image; meets the input's centre, ((W - 1) / 2, (H - 1) / 2).
        extent: (w, h) of the frame in image pixels.
        size: (H, W) of the input.
        rotation_deg: clockwise as seen, the y axis pointing down.
        mirrored: left and right exchanged.
    """
    scale = size[1] / extent[0]
    cos, sin = scale * math.cos(math.radians(rotation_deg)), scale * math.sin(math.radians(rotation_deg))
    linear = np.array([[cos, -sin], [sin, cos]])
    if mirrored:
        linear[0] *= -1
    middle = (np.array(size[::-1]) - 1) / 2
    return np.column_stack([linear, middle - linear @ centre])


def inverse(forward: np.ndarray) -> np.ndarray:
    """The affine map (2, 3) that undoes another."""
    linear = np.linalg.inv(forward[:, :2])
    return np.column_stack([linear, -linear @ forward[:, 2]])


def moved(points: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Points (..., 2) under an affine map (2, 3), float64."""
    return points @ forward[:, :2].T + forward[:, 2]


def warped(image: Image.Image, forward: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The input uint8 (H, W, 3) that an affine map makes of an RGB image: bilinear, black outside of it."""
    back = inverse(forward)
    back[:, 2] += 0.5 - back[:, :2].sum(1) / 2  # Pillow counts from the edges of pixels on both sides
    return np.asarray(
        image.transform(size[::-1], Image.Transform.AFFINE, back.ravel().tolist(), Image.Resampling.BILINEAR)
    )


def resized(image: Image.Image, centre: np.ndarray, extent: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The same for an upright frame, uint8 (H, W, 3), each pixel the mean of what it covers where it shrinks."""
    low, high = centre + 0.5 - extent / 2, centre + 0.5 + extent / 2
    reach = math.ceil(extent[0] / size[1]) + 1  # pixels beyond the frame that its border mixes with
    corner = np.floor(low).astype(int) - reach
    part = image.crop((*corner, *(np.ceil(high).astype(int) + reach)))  # black outside of the image
    return np.asarray(part.resize(size[::-1], Image.Resampling.BILINEAR, (*(low - corner), *(high - corner))))


def lower_body(names: tuple[str, ...]) -> np.ndarray:
    """Which of the named joints belong to the lower body, bool (K,)."""
    return np.array([any(word in name.lower() for word in LOWER) for name in names])


def draw(
    frame: tuple[np.ndarray, np.ndarray],
    points: np.ndarray,
    labelled: np.ndarray,
    lower: np.ndarray,
    size: tuple[int, int],
    mirrors: bool = True,
) -> tuple[np.ndarray, bool]:
    """A random view of a person: the affine map (2, 3) from the image to the input, and whether it mirrors.

    With probability 0.3 only the upper or the lower body, of people with more than 8 labelled joints; the frame
    0.65 to 1.35 times as large (normal about 1, standard deviation 0.35, cut); with probability 0.6 turned
    (normal, 45 degrees, cut at 90); with probability 0.5 mirrored. These are the released draws: their "45
    degrees" and "35 %" are the standard deviations.

    Args:
        frame: centre and extent, as `enclosing` gives them.
        points: (K, 2) in the image.
        labelled: bool (K,).
        lower: bool (K,), as `lower_body` gives it.
        size: (H, W) of the input.
        mirrors: whether it may be mirrored.
    """
    if labelled.sum() > LEAST and np.random.rand() < 0.3:
        frame = half(points, labelled, lower, size) or frame
    centre, extent = frame
    extent = extent * np.clip(1 + 0.35 * np.random.randn(), 0.65, 1.35)
    angle = float(np.clip(45 * np.random.randn(), -90, 90)) if np.random.rand() < 0.6 else 0.0
    mirror = bool(np.random.rand() < 0.5) and mirrors
    return matrix(centre, extent, size, angle, mirror), mirror


def half(
    points: np.ndarray, labelled: np.ndarray, lower: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray] | None:
    """The frame (centre, extent) about the labelled joints of half a body; None where that is fewer than two.

    The upper half with probability 0.69 (released as: a normal number below one half), if it has more than two
    labelled joints; else the lower, if it has; else the upper. Centred at the joints' mean, 1.5 times their extent.
    """
    up, down = labelled & ~lower, labelled & lower
    wanted = np.random.randn() < 0.5
    chosen = points[up if (wanted and up.sum() > 2) or down.sum() <= 2 else down]
    if len(chosen) < 2:
        return None
    width, height = np.maximum(np.ptp(chosen, axis=0), 1.0)
    return chosen.mean(0), HALF_PADDING * _shaped(width, height, size)
