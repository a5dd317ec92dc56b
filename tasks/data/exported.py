"""Names of files as tools for annotation export them: other machines' folders, and Windows' separators."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tickets.errors import DataError


def files(listed: Path, images: Path, written: Iterable[str]) -> dict[str, str]:
    """Written name -> the file's name below the folder of images, with slashes.

    Names without a folder, and those that lead to a file, are as they are. Of others, as D:\\data\\test\\0.png, as many
    folders count, from the end, as lead to a file; where none does, a name with slashes stays, for its own message.

    Args:
        listed: the file that they are written in, for the message.
        images: the folder.
        written: the names.

    Raises:
        DataError: a name climbs out of the folder, one with backslashes or from the root leads nowhere, or two names
            lead to one file.
    """
    found = {name: _file(listed, images, name) for name in sorted(written)}
    names: dict[str, str] = {}
    for name, file in found.items():
        if names.setdefault(file, name) != name:
            raise DataError(
                f"{listed}: its images {names[file]!r} and {name!r} both are the file {images / file}; write their "
                "names as they lie in that folder."
            )
    return found


def _file(listed: Path, images: Path, name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or "\0" in name:
        raise DataError(f"{listed}: its image {name[:200]!r} leads out of {images}; correct the name.")
    if len(parts) == 1 or (parts[0] and (images / name).is_file()):
        return name
    ends = ("/".join(parts[first:]) for first in range(not parts[0], len(parts)))
    if (file := next((end for end in ends if end and (images / end).is_file()), None)) is not None:
        return file
    if "\\" in name:
        raise DataError(
            f"{listed}: its image {name!r} is written with backslashes, Windows' separator, and {images} holds no "
            f"file of that name, nor {parts[-1]}; restore the file or correct the name."
        )
    if not parts[0]:
        raise DataError(
            f"{listed}: its image {name!r} is written from the root, and {images} holds no file {parts[-1]}; restore "
            "the file or correct the name."
        )
    return name
