"""The field's own augmentation and resizing for segmentation, by mmcv's and mmseg's transforms; imports no torch."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tasks.data.samples import IGNORED
from tickets.errors import UserError

RATIOS = (0.5, 2.0)  # of the base, uniform
LARGEST_SHARE = 0.75  # of one class in a crop; another is tried up to ten times


def require_opencv() -> None:
    """Look whether OpenCV, on which mmcv and mmseg rest, can be imported.

    Raises:
        UserError: it cannot; says what is missing.
    """
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the full pipeline of segmentation needs OpenCV, which cannot be imported ({error}); on Linux install the "
            "system packages libgl1 and libglib2.0-0, or the Python package opencv-python-headless, or use a scale "
            "whose pipeline is resized, as tiny."
        ) from error


def augmented(
    image: np.ndarray, label: np.ndarray, base: tuple[int, int], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A training view: resized, cropped, mirrored half of the time, its colours distorted.

    The pair is resized, keeping its proportions, to fit into the base times a number uniform in 0.5 to 2; cropped at
    random, again up to ten times where one class covers three quarters of the labelled pixels or more; and mmseg's
    PhotoMetricDistortion changes brightness, contrast, saturation and hue.

    Args:
        image: uint8 (H, W, 3), RGB; not modified.
        label: uint8 (H, W); not modified.
        base: (width, height) as mmcv has it: the larger bounds the longer side, the smaller the shorter.
        size: (H, W) of the crop.

    Returns:
        Image and label of at most `size`: what was smaller is not padded.
    """
    found: dict[str, Any] = {"img": np.ascontiguousarray(image[..., ::-1]), "gt_seg_map": label}
    found |= {"seg_fields": ["gt_seg_map"], "img_shape": label.shape}
    for transform in _transforms(base, size):
        found = transform(found)
    return np.ascontiguousarray(found["img"][..., ::-1]), np.ascontiguousarray(found["gt_seg_map"])


def fitted(image: np.ndarray, base: tuple[int, int]) -> np.ndarray:
    """An image uint8 (H, W, 3) resized bilinearly to fit into the base as above, keeping its proportions."""
    import mmcv

    return mmcv.imrescale(image, base)


@cache
def _transforms(base: tuple[int, int], size: tuple[int, int]) -> list[Callable[[dict[str, Any]], dict[str, Any]]]:
    require_opencv()
    import cv2

    with contextlib.redirect_stdout(io.StringIO()):  # they print that an optional package is missing
        from mmcv.transforms import RandomFlip, RandomResize
        from mmseg.datasets.transforms import PhotoMetricDistortion, RandomCrop
    cv2.setNumThreads(0)  # samples are loaded side by side, and threads do not survive a fork
    return [
        RandomResize(scale=base, ratio_range=RATIOS, keep_ratio=True),
        RandomCrop(crop_size=size, cat_max_ratio=LARGEST_SHARE, ignore_index=IGNORED),
        RandomFlip(prob=0.5),
        PhotoMetricDistortion(),
    ]
