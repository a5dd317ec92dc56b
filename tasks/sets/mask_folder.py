"""Segmentation of your own images: a folder of them, a folder of masks, and a list of class names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.base import Info
from tasks.data import pairs
from tasks.data.files import files_below, lines_in, own_tree, split_of_own, splits_of_own
from tasks.data.samples import IGNORED, Row, Sample
from tasks.kinds.segmentation import Segmentation
from tasks.sets.folder import SUFFIXES
from tickets.errors import DataError


def load(sample: Sample) -> Row:
    """{"image", "label"} at full size; `sample.extra` is the number of classes."""
    return pairs.load(sample, pairs.plain(sample.extra))


def read(sample: Sample, size: tuple[int, int]) -> Row:
    """{"image", "label"}, both resized."""
    return pairs.resized(load(sample), size, label_too=True)


@dataclass(frozen=True)
class MaskFolder(Segmentation):
    """Your own images: `root/train/images/*`, `root/train/masks/*.png` of the same names, the same in `root/test` (or
    `root/val`), and `root/classes.txt`, a class name a line: the first line names id 0 of the masks. Where there
    are test and val, val is what is validated on; else that is a slice of train.

    Masks are PNG files of one channel, class ids and 255 for pixels that are not counted. Images may differ in size,
    so that in the resized pipeline the labels of test are resized to the input as those of train are; the full
    pipeline scores at each mask's own size.
    """

    store = "mask_folder"
    read = staticmethod(read)
    load = staticmethod(load)

    @property
    def info(self) -> Info:
        """What the tree says of itself; reads classes.txt.

        Raises:
            DataError: no tree, no such file, or not 2 to 255 names, all different.
        """
        listed = own_tree(self.root, "seg/folder") / "classes.txt"
        names = lines_in(listed, "list of class names")
        while names and not names[-1]:
            names.pop()
        if not 2 <= len(names) <= IGNORED or "" in names or len(set(names)) < len(names):
            raise DataError(
                f"{listed}: {self._wrong(names)}; write 2 to {IGNORED} different names, one a line, the first "
                "for id 0 of the masks."
            )
        return Info(
            kind="seg", version=1, primary="miou", outputs=len(names), names=tuple(names),
            test=self.place("test").name, citation="your own data", licence="as you hold it", url="",
        )  # fmt: skip

    @staticmethod
    def _wrong(names: list[str]) -> str:
        if "" in names:
            return f"line {names.index('') + 1} is blank"
        repeated = next((name for i, name in enumerate(names) if name in names[:i]), None)
        return f"holds {len(names)} names" if repeated is None else f"names '{repeated}' twice"

    @property
    def official(self) -> tuple[str, ...]:
        """Val too where the tree has it beside test."""
        return splits_of_own(own_tree(self.root, "seg/folder"), _has_images)

    def place(self, split: str) -> Path:
        """The folder of an official split.

        Raises:
            DataError: the tree has none.
        """
        return split_of_own(own_tree(self.root, "seg/folder"), split, "images/ and masks/", _has_images)

    def samples(self, split: str) -> list[Sample]:
        """Every image of the split with its mask, by name.

        Raises:
            DataError: a folder is missing, cannot be read or holds no image.
        """
        place, count = self.place(split), self.info.outputs
        return [
            Sample(name, (place / "masks" / f"{Path(name).stem}.png", place / "images" / name), count)
            for name in files_below(place / "images", SUFFIXES)
        ]


def _has_images(place: Path) -> bool:
    return (place / "images").is_dir()
