"""Leeds Sports Pose Extended: fourteen joints of one person an image, cut out around its joints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.base import Info
from tasks.data import matlab
from tasks.data.files import names_in, rgb
from tasks.data.samples import Row, Sample
from tasks.kinds.pose import Pose
from tickets.errors import DataError

NAMES = (
    "right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle",
    "right wrist", "right elbow", "right shoulder", "left shoulder", "left elbow", "left wrist",
    "neck", "head top",
)  # fmt: skip
MARGIN = 1.3  # of the box about the labelled joints: hands, feet and hair lie outside it
LEAST = 16.0  # pixels of the image that a box spans at least


def load(sample: Sample) -> Row:
    """{"image", "keypoints", "box"}: the whole image, its person, and the box about their labelled joints."""
    image, points, labelled = person(sample)
    low, high = points[labelled].min(0), points[labelled].max(0)
    extent = np.maximum(high - low, LEAST / MARGIN)
    corner = (low + high - extent) / 2 + 0.5  # from pixel centres to their edges
    return {
        "image": np.asarray(image),
        "keypoints": _joined(points, labelled),
        "box": np.array([*corner, *extent], np.float32),
    }


def read(sample: Sample, size: tuple[int, int]) -> Row:
    """{"image", "keypoints"} of a box about the labelled joints, of the input's shape, the border repeated."""
    image, points, labelled = person(sample)
    low, high = box(points[labelled], size)
    image = cut(image, low, high).resize(size[::-1], Image.Resampling.BILINEAR)
    points = (points + 0.5 - low) * (np.array(size[::-1]) / (high - low)) - 0.5
    return {"image": np.asarray(image), "keypoints": _joined(points, labelled)}


def person(sample: Sample) -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """The image, the joints' places (14, 2) in it, and which are labelled, bool (14,).

    `sample.extra` is the image's column of joints.mat.

    Raises:
        DataError: no such column, no labelled joint, or one that is far off the image; names the file.
    """
    image_file, joints_file = sample.files
    state = joints_file.stat()
    joints = joints_of(joints_file, state.st_mtime_ns, state.st_size)
    if not 0 <= sample.extra < joints.shape[2]:
        raise DataError(f"{image_file}: {joints_file} has {joints.shape[2]} columns, none for this image; restore it.")
    column, image = joints[:, :, sample.extra], rgb(image_file)
    labelled = (column[:, 2] > 0) & np.isfinite(column).all(1)
    if not labelled.any():
        raise DataError(
            f"{image_file}: none of its joints is labelled in {joints_file}; remove it from the split file."
        )
    far = labelled & (np.abs(column[:, :2] / image.size - 0.5) > 1).any(1)  # half an image outside
    if far.any():
        joint = int(far.argmax())
        raise DataError(
            f"{image_file}: its {NAMES[joint]} is at {column[joint, :2].tolist()} in {joints_file}, far off "
            f"its {image.width} x {image.height} pixels; correct it or remove the image from the split file."
        )
    return image, column[:, :2], labelled


def _joined(points: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Keypoints float32 (14, 3): x, y, 1 where labelled; the junk coordinates of the others become 0."""
    return np.where(labelled[:, None], np.column_stack([points, labelled]), 0.0).astype(np.float32)


def box(points: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Corners (x, y) in whole pixels of a box shaped as `size`, (H, W), about points (N, 2) with a margin."""
    extent = np.maximum(MARGIN * np.ptp(points, axis=0), LEAST)
    shape = np.array(size[::-1], float)
    half = shape * (extent / shape).max() / 2
    centre = (points.min(0) + points.max(0)) / 2 + 0.5  # from pixel centres to their edges
    low = np.round(centre - half).astype(int)
    return low, low + np.round(2 * half).astype(int)


def cut(image: Image.Image, low: np.ndarray, high: np.ndarray) -> Image.Image:
    """The box from corner `low` to `high`; where it reaches beyond the image, border pixels are repeated."""
    columns = np.arange(low[0], high[0]).clip(0, image.width - 1)
    rows = np.arange(low[1], high[1]).clip(0, image.height - 1)
    return Image.fromarray(np.asarray(image)[np.ix_(rows, columns)])


@lru_cache(maxsize=2)
def joints_of(path: Path, mtime_ns: int, size: int) -> np.ndarray:
    """The joints of joints.mat, float (14, 3, N); read again only when the file's time or size has changed.

    Raises:
        DataError: not a MATLAB file, or one without `joints` of that shape; names it.
    """
    joints = matlab.array(path, "joints")
    if joints.ndim != 3 or joints.shape[:2] != (14, 3):
        raise DataError(
            f"{path}: 'joints' has shape {joints.shape} of {joints.dtype}; it must be numbers (14, 3, N); "
            "restore the file."
        )
    return joints.astype(float)


@dataclass(frozen=True)
class LeedsSports(Pose):
    """`root/lspet` with images/imNNNNN.jpg, joints.mat, train.txt and val.txt (image names).

    There are no person boxes: each image is cut to a box about its labelled joints, 1.3 times as large. Beside
    PCK@0.2 of the torso stands PCKh@0.5 of the head.
    """

    info = Info(
        kind="pose", version=1, primary="pck", outputs=len(NAMES), names=NAMES, test="val",
        citation="S. Johnson, M. Everingham, Learning Effective Human Pose Estimation from Inaccurate "
        "Annotation, CVPR 2011",
        licence="academic use; not redistributed with this project",
        url="https://sam.johnson.io/research/lspet.html",
        flip_pairs=((0, 5), (1, 4), (2, 3), (6, 11), (7, 10), (8, 9)),
        skeleton=(
            (0, 1), (1, 2), (2, 3), (3, 4), (4, 5),
            (6, 7), (7, 8), (8, 12), (9, 12), (9, 10), (10, 11), (12, 13),
        ),
        torso=((12,), (2, 3)), head=(12, 13),
    )  # fmt: skip
    store = "lspet"
    read = staticmethod(read)
    load = staticmethod(load)
    padding = MARGIN

    def samples(self, split: str) -> list[Sample]:
        """The images that the split file lists; imNNNNN.jpg is column NNNNN - 1 of joints.mat.

        Raises:
            DataError: a line is no such name.
        """
        place = self.folder("lspet")
        listed = place / ("train.txt" if split == "train" else "val.txt")
        found = []
        for (name,) in names_in(listed):
            number = name.removeprefix("im").split(".")[0]
            if not (name.startswith("im") and number.isdecimal()):
                raise DataError(f"{listed}: lists '{name}', which is no name like im00001.jpg; restore the split file.")
            found.append(Sample(name, (place / "images" / name, place / "joints.mat"), int(number) - 1))
        return found
