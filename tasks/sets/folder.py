"""Classification from a tree of images, a folder a class: the ImageNet layout."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image, ImageOps

from tasks.base import Info, Loader, Reader
from tasks.data import own
from tasks.data.files import rgb
from tasks.data.listing import Listing, below, in_utf8, is_hidden, listed
from tasks.data.own import SUFFIXES, is_image
from tasks.data.samples import Row, Sample
from tasks.kinds.classification import Classification
from tickets.errors import DataError


def load(sample: Sample, upright: bool = False) -> Row:
    """{"image": as large as it is, "label": `sample.extra`}; `upright` as for `rgb`."""
    return {"image": np.asarray(rgb(sample.files[0], upright)), "label": np.int64(sample.extra)}


def read(sample: Sample, size: tuple[int, int], upright: bool = False) -> Row:
    """{"image": the largest centred part of the wanted shape, resized, "label": `sample.extra`}."""
    image = ImageOps.fit(rgb(sample.files[0], upright), size[::-1], Image.Resampling.BILINEAR)
    return {"image": np.asarray(image), "label": np.int64(sample.extra)}


def load_upright(sample: Sample) -> Row:
    """As `load`, the image as its viewers show it."""
    return load(sample, upright=True)


def read_upright(sample: Sample, size: tuple[int, int]) -> Row:
    """As `read`, the image as its viewers show it."""
    return read(sample, size, upright=True)


@dataclass(frozen=True)
class Tree(Classification):
    """Images of any tree `train/<class>/*.jpg` and `test/<class>/*.jpg`, or `val` in place of `test`.

    Classes are the folders of train, sorted by name; images may lie in folders below. What is hidden or left behind by
    a system is passed over, and so are files that do not end in a picture's suffix. Where test and val both hold class
    folders, val is what is validated on; else that is a slice of train, and test is the one of the two that holds
    them.
    """

    read: ClassVar[Reader] = staticmethod(read)
    load: ClassVar[Loader | None] = staticmethod(load)

    @property
    def info(self) -> Info:
        """What the tree says of itself; reads the names of its folders.

        Raises:
            DataError: no tree, or fewer than two classes.
        """
        names = tuple(folders(self.place("train")))
        if len(names) < 2:
            raise DataError(
                f"{self.place('train')} holds {len(names)} class folders; a classification needs at least 2, "
                "each a folder of images."
            )
        return Info(
            kind="cls", version=1, primary="top1", outputs=len(names), names=names,
            test=self.place("test").name, citation="your own data", licence="as you hold it", url="",
        )  # fmt: skip

    @abstractmethod
    def tree(self) -> Path:
        """The folder that holds train and test.

        Raises:
            DataError: it was not given or is not there.
        """

    @property
    def official(self) -> tuple[str, ...]:
        """Val too where the tree has it beside test."""
        return own.splits(self.tree(), folders)

    def place(self, split: str) -> Path:
        """The folder of an official split.

        Raises:
            DataError: the tree has none.
        """
        return own.split(self.tree(), split, "a folder of images for each class", folders)

    def locate(self) -> None:
        """Check that every class folder holds an image, without looking at all of them.

        Raises:
            DataError: as `samples`.
        """
        for split in self.official:
            place, names = self._classes(split)
            for name in names:
                if next(below(place / name, is_image), None) is None:
                    raise _empty(place / name)

    def samples(self, split: str) -> Listing:
        """Every image below a class folder, by class, then by path.

        Raises:
            DataError: a class folder without images, or other classes than the task's.
        """
        place, names = self._classes(split)
        found = listed(place, names, is_image)
        for label in np.flatnonzero(np.bincount(found.labels, minlength=len(names)) == 0):
            raise _empty(place / names[label])
        return found

    def _classes(self, split: str) -> tuple[Path, tuple[str, ...]]:
        """The folder of an official split, and the names of its class folders.

        Raises:
            DataError: other classes than the task's.
        """
        place, names = self.place(split), self.info.names
        if (found := folders(place)) != list(names):
            odd = sorted(set(found) ^ set(names))
            raise DataError(
                f"{place} holds {len(found)} class folders, the task {len(names)} classes: they differ in "
                f"{', '.join(odd[:5])}{' and more' if odd[5:] else ''}; give each split one folder a class."
            )
        return place, names


@dataclass(frozen=True)
class Folder(Tree):
    """Your own images, `root/train/<class>/*.jpg` and `root/test/<class>/*.jpg`, turned as their EXIF orientation says.

    Files that are passed over are told.
    """

    store = "folder"
    is_own = True
    read = staticmethod(read_upright)
    load = staticmethod(load_upright)

    @property
    def info(self) -> Info:
        """As of any tree; images were read as they are stored before version 2."""
        return replace(super().info, version=2)

    def tree(self) -> Path:
        """The folder that holds train and test.

        Raises:
            DataError: it was not given or is not there.
        """
        return own.tree(self.root, "cls/folder")

    def remarks(self) -> Iterator[str]:
        """Which files are passed over, those in no class folder too, and where val comes from."""
        for split in self.official:
            place = self.place(split)
            if loose := sum(entry.is_file() and is_image(entry.name) for entry in place.iterdir()):
                yield f"passed over {loose:,} images of {place.name} that lie in no class folder"
        yield from own.remarks(self.tree(), self.official, self.place)


def folders(place: Path) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones and those that systems leave behind.

    Raises:
        DataError: a name is no UTF-8.
    """
    with os.scandir(place) as entries:
        return sorted(in_utf8(place, e.name) for e in entries if e.is_dir() and not is_hidden(e.name))


def _empty(place: Path) -> DataError:
    return DataError(f"{place} holds no image ({', '.join(SUFFIXES)}); add some or remove the class folder.")
