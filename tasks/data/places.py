"""Where the data of tasks lie: in one folder that holds all sets' own, or each in a folder that is given for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks import EMBEDDED, TASKS
from tickets.errors import UserError, unknown

OWN = "folder"
"""The last part of the names of tasks over the user's own folders, as in seg/folder."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Places:
    """As a person gives them; `checked` makes them ready.

    Args:
        root: holds the data sets' own folders; None where none was given.
        own: (task, folder) of those that have one of their own, which is that task's root.
    """

    root: Path | None = None
    own: tuple[tuple[str, Path], ...] = ()

    def of(self, task: str) -> Path | None:
        """The root of a task, by its name, with options or without."""
        return dict(self.own).get(TASKS.parts(task)[0], self.root)

    def checked(self) -> Places:
        """The same with all folders resolved, and each name known as a task to this process and those that it starts.

        A name that no set of its kind has is that of a task over the user's own data, where its kind has one:
        "seg/leaves" is another "seg/folder".

        Raises:
            UserError: a folder does not exist, no such task or kind, or a task has two folders.
        """
        if self.root is not None and not self.root.is_dir():
            raise UserError(
                f"the data folder {self.root} does not exist; give --data-root or TICKETBENCH_DATA the folder that "
                "holds the data sets' own folders."
            )
        found: dict[str, Path] = {}
        for name, folder in self.own:
            task = _known(name)
            if task in found:
                raise UserError(f"--data gives {task} two folders, {found[task]} and {folder}; give it one.")
            if not folder.is_dir():
                raise UserError(f"--data {name}={folder}: there is no such folder; give the one that holds its data.")
            found[task] = folder.resolve()
        return Places(None if self.root is None else self.root.resolve(), tuple(found.items()))


NOWHERE = Places()


def told(root: Path | None, words: Sequence[str]) -> Places:
    """What the flags --data-root and --data say, the latter as "KIND/NAME=PATH" each.

    Raises:
        UserError: a word has no such form.
    """
    return Places(root, tuple(map(_one, words)))


def _one(word: str) -> tuple[str, Path]:
    name, equals, folder = word.partition("=")
    if not (name and equals and folder):
        raise UserError(f"--data {word} is not KIND/NAME=PATH; write e.g. seg/folder=leaves.")
    return name, Path(folder).expanduser()


def _known(given: str) -> str:
    """A task's name, aliases resolved; one that no set has becomes that of another task over the user's own data."""
    name = TASKS.aliases.get(given, given)
    kind, _, own = name.partition("/")
    if own == EMBEDDED:
        raise UserError(
            f"--data {given}=...: {name} brings its data along; for a folder of your own give seg/{OWN}=PATH."
        )
    if name in TASKS.names():
        return name
    kinds = [one.removesuffix(f"/{OWN}") for one in TASKS.builtin if one.endswith(f"/{OWN}")]
    if not NAME.fullmatch(own):
        raise UserError(f"--data {name}=... names no task; give KIND/NAME of letters, digits, '.', '_' and '-'.")
    if kind not in kinds:
        raise unknown("kind of a folder of your own", kind, kinds)
    TASKS.also(name, f"{kind}/{OWN}")
    return name
