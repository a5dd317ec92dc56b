"""Segmentation of your own images: a folder of them, a folder of masks, and a list of class names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from tasks.base import Info
from tasks.data import own, pairs
from tasks.data.files import lines_in, names_below
from tasks.data.listing import ancestors, below, in_utf8
from tasks.data.own import is_image
from tasks.data.samples import IGNORED, Row, Sample
from tasks.kinds.segmentation import Segmentation
from tickets.errors import DataError

MASKS = (".png", ".tif", ".tiff", ".bmp", ".gif")
"""Endings of label images; none of them is of a format that loses."""
NOT_COUNTED = "ignored"
"""The name in classes.txt of a colour that is no class."""
LOOKED_AT = 200
"""Masks a split that are looked at for classes that never occur."""

Named = tuple[str, tuple[int, int, int] | None]
"""A class and its colour in the masks; None where they hold ids."""


def load(sample: Sample) -> Row:
    """{"image", "label"} at full size, upright; `sample.extra` is the number of classes, or their colours."""
    return pairs.load(sample, legend(sample.extra), upright=True)


def read(sample: Sample, size: tuple[int, int]) -> Row:
    """{"image", "label"}, both resized."""
    return pairs.resized(load(sample), size, label_too=True)


def legend(extra: int | tuple[Named, ...]) -> pairs.Legend | pairs.Colours:
    """What the masks hold, by what samples carry."""
    if isinstance(extra, int):
        return pairs.plain(extra)
    names = [name for name, _ in extra if name != NOT_COUNTED]
    return pairs.Colours(
        {colour: IGNORED if name == NOT_COUNTED else names.index(name) for name, colour in extra if colour is not None}
    )


@dataclass(frozen=True)
class MaskFolder(Segmentation):
    """Your own images: `root/train/images/*`, `root/train/masks/*.png` of the same names, the same in `root/test` (or
    `root/val`), and `root/classes.txt`, a class name a line: the first line names id 0 of the masks. Where there
    are test and val, val is what is validated on; else that is a slice of train. Images may lie in folders below, and
    their masks in folders of the same names.

    Masks hold class ids in one channel, grey or of a palette, and 255 for pixels that are not counted; or they hold
    colours, which then stand in classes.txt behind each name, as in `road 128 64 128`; a line `ignored 0 0 0` names a
    colour that is not counted. Images and masks are turned as their EXIF orientations say. Images may differ in size,
    so that in the resized pipeline the labels of test are resized to the input as those of train are; the full
    pipeline scores at each mask's own size.
    """

    store = "mask_folder"
    is_own = True
    read = staticmethod(read)
    load = staticmethod(load)

    @property
    def info(self) -> Info:
        """What the tree says of itself; reads classes.txt.

        Raises:
            DataError: as `_named`.
        """
        names = tuple(name for name, _ in self._named() if name != NOT_COUNTED)
        return Info(
            kind="seg", version=2, primary="miou", outputs=len(names), names=names,
            test=self.place("test").name, citation="your own data", licence="as you hold it", url="",
        )  # fmt: skip

    def _named(self) -> tuple[Named, ...]:
        """The lines of classes.txt.

        Raises:
            DataError: no tree, no such file, not 2 to 255 names, all different, or colours for some or twice.
        """
        listed = own.tree(self.root, "seg/folder") / "classes.txt"
        lines = lines_in(listed, "list of class names")
        while lines and not lines[-1]:
            lines.pop()
        named = [_split(line) for line in lines]
        if all(colour is None for _, colour in named) or not lines:
            named = [(line, None) for line in lines]
        elif blank := [number for number, (_, colour) in enumerate(named, 1) if colour is None]:
            raise DataError(
                f"{listed}: line {blank[0]} has no colour and others have; write one behind each name or none."
            )
        elif len({colour for _, colour in named}) < len(named):
            raise DataError(f"{listed}: gives two names one colour; give each its own.")
        names = [name for name, colour in named if name != NOT_COUNTED or colour is None]
        if not 2 <= len(names) <= IGNORED or "" in names or len(set(names)) < len(names):
            raise DataError(
                f"{listed}: {self._wrong(names)}; write 2 to {IGNORED} different names, one a line, the first "
                "for id 0 of the masks."
            )
        return tuple(named)

    @staticmethod
    def _wrong(names: list[str]) -> str:
        if "" in names:
            return f"line {names.index('') + 1} is blank"
        repeated = next((name for i, name in enumerate(names) if name in names[:i]), None)
        return f"holds {len(names)} names" if repeated is None else f"names '{repeated}' twice"

    @property
    def official(self) -> tuple[str, ...]:
        """Val too where the tree has it beside test."""
        return own.splits(own.tree(self.root, "seg/folder"), _has_images)

    def place(self, split: str) -> Path:
        """The folder of an official split.

        Raises:
            DataError: the tree has none.
        """
        return own.split(own.tree(self.root, "seg/folder"), split, "images/ and masks/", _has_images)

    def samples(self, split: str) -> list[Sample]:
        """Every image of the split with its mask, by name.

        Raises:
            DataError: a folder is missing, cannot be read or holds no image, or an image has two masks.
        """
        place, named = self.place(split), self._named()
        extra = len(named) if named[0][1] is None else named
        images, masks = place / "images", place / "masks"
        names_below(images)  # is there, and can be read
        found = _paths(images, is_image)
        if not found:
            raise DataError(f"{images}: holds no file that ends in {', '.join(own.SUFFIXES)}; restore this folder.")
        known: dict[str, str] = {}
        for path in _paths(masks, _is_mask):
            stem = str(PurePosixPath(path).with_suffix(""))
            if stem in known:
                raise DataError(f"{masks / path}: {known[stem]} is a mask of the same name; remove one of them.")
            known[stem] = path
        stems = {name: str(PurePosixPath(name).with_suffix("")) for name in found}
        return [
            Sample(name, (masks / known.get(stem, f"{stem}.png"), images / name), extra) for name, stem in stems.items()
        ]

    def remarks(self) -> Iterator[str]:
        """Which files are passed over, where val comes from, and which classes never occur.

        Raises:
            DataError: the masks of train, all of which were looked at, hold one class.
        """
        tree, classes = own.tree(self.root, "seg/folder"), self.info.names
        yield from own.remarks(tree, self.official, lambda split: self.place(split) / "images")
        for split in self.official:
            samples = self.samples(split)
            some = samples[:: -(-len(samples) // LOOKED_AT)]
            found = set().union(*(np.unique(pairs.classes(one.files[0], legend(one.extra))).tolist() for one in some))
            names = [name for number, name in enumerate(classes) if number not in found]
            only = next((f"'{classes[number]}'" for number in found - {IGNORED}), "none")
            if split == "train" and len(some) == len(samples) and len(found - {IGNORED}) < 2:
                raise DataError(
                    f"{self.place(split) / 'masks'}: of all classes only {only} occurs"
                    f"{', beside 255, which is not counted' * (IGNORED in found)}; write ids from 0 to "
                    f"{len(classes) - 1} into the masks, or give colours in classes.txt, as in 'disc 255 255 255'."
                )
            if names:
                what = f"class{'es' * (len(names) > 1)} {', '.join(names[:5])}{' and more' * (len(names) > 5)}"
                yield f"{what} never occur{'s' * (len(names) == 1)} in the {len(some):,} masks of {split} looked at"


def _split(line: str) -> Named:
    """A line of classes.txt as a name and a colour; None where it does not end in three bytes."""
    *words, red, green, blue = ["", "", "", *line.split()]
    colour = tuple(int(part) if part.isdecimal() else -1 for part in (red, green, blue))
    name = " ".join(filter(None, words))
    return (
        (name, (colour[0], colour[1], colour[2])) if name and all(0 <= one <= 255 for one in colour) else (line, None)
    )


def _paths(place: Path, is_one: Callable[[str], bool]) -> list[str]:
    """The files of these names below a folder, sorted; none where there is no such folder.

    Raises:
        DataError: a name is no UTF-8.
    """
    return sorted(in_utf8(place, path) for path, *_ in below(place, is_one, seen=ancestors(place)))


def _is_mask(name: str) -> bool:
    return name.lower().endswith(MASKS)


def _has_images(place: Path) -> bool:
    return (place / "images").is_dir()
