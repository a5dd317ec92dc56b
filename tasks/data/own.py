"""The user's own folders: where their splits lie, and what in them is passed over. Imports no torch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.data.listing import ancestors, below
from tasks.data.samples import SPLITS, VAL_SHARE
from tickets.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp")
"""Of images."""


def is_image(name: str) -> bool:
    """Whether a file's name is that of an image which is read."""
    return name.lower().endswith(SUFFIXES)


def tree(root: Path | None, task: str) -> Path:
    """The folder that was given to a task over the user's own data.

    Raises:
        DataError: none was given.
    """
    if root is None:
        raise DataError(
            f"no data folder was given for {task}; give the folder that holds train/ and test/ (or val/) by "
            f"--data {task}=PATH, --data-root or TICKETBENCH_DATA."
        )
    return root


def split(tree: Path, name: str, holding: str, usable: Callable[[Path], object]) -> Path:
    """The folder of a split; of test `val` in its place where `test` is not there or not usable.

    Args:
        tree: holds them.
        name: "train", "val" or "test".
        holding: for the message, what such a folder holds.
        usable: whether a folder has what the task needs.

    Raises:
        DataError: the tree has none.
    """
    wanted = (tree / "test", tree / "val") if name == "test" else (tree / name,)
    found = [place for place in wanted if place.is_dir()]
    if not found:
        looked = " or ".join(f"{place.name}/" for place in wanted)
        raise DataError(
            f"{tree} holds no folder {looked} with {holding}; give the folder that does by --data-root or "
            "TICKETBENCH_DATA."
        )
    return next((place for place in found if usable(place)), found[0])


def splits(tree: Path, usable: Callable[[Path], object]) -> tuple[str, ...]:
    """The splits of the user's own data: val is one where both `val` and `test` are there and usable."""
    both = all((tree / name).is_dir() and usable(tree / name) for name in ("val", "test"))
    return SPLITS if both else ("train", "test")


def remarks(tree: Path, official: tuple[str, ...], place: Callable[[str], Path]) -> Iterator[str]:
    """What a person should know of the splits: which files are passed over, and where val is taken from.

    Args:
        tree: the user's folder.
        official: splits that the tree has.
        place: the folder of each.
    """
    for name in official:
        where = place(name)
        found = below(where, lambda name: not is_image(name), seen=ancestors(where))
        others = Counter(_ending(path) for path, *_ in found)
        if others:
            listed = ", ".join(f"{count:,} {ending}" for ending, count in sorted(others.items()))
            yield f"passed over {listed} in {where.name}; images end in {', '.join(SUFFIXES)}"
    if "val" not in official:
        yield f"{tree.name} has no val/ beside test/, so one in {VAL_SHARE} of train is held out to validate on"


def _ending(path: str) -> str:
    suffix = os.fsencode(Path(path).suffix).decode("utf-8", "backslashreplace")
    return f"*{suffix}" if suffix else "without a suffix"
