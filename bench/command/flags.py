"""Values of flags that several commands take, checked; each mistake is one sentence."""

from __future__ import annotations

import functools
import inspect
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from bench.records.setting import ASKED, FLAGS, Setting, type_of
from tasks.data.places import Places, told
from tickets.errors import UserError, unknown

LEAST_SIDE = 16
One = TypeVar("One", bound=str)

DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Folder that holds the data sets' own folders.", envvar="TICKETBENCH_DATA"),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="KIND/NAME=PATH",
        help="A folder for one task, as seg/folder=A; a new NAME is a folder of your own. Repeatable.",
    ),
]
"""The flags of commands that read a task's data; `places` checks them."""

DrawnOn = Annotated[str | None, typer.Option("--source", help="Only tickets drawn on these tasks; or none.")]
TrainedOn = Annotated[str | None, typer.Option("--target", help="Only transfers to these; none for draws.")]
DrawnBy = Annotated[str | None, typer.Option("--drawer", help="Only these methods.")]
Rescore = Annotated[
    bool, typer.Option("--rescore/--no-rescore", help="Score the tickets of draws again from their files.")
]
"""The flags of commands that verify a home's records."""


def one_of(value: str, allowed: Sequence[One], noun: str) -> One:
    """The value, if it is allowed.

    Raises:
        UserError: it is not; names the nearest one.
    """
    for one in allowed:
        if one == value:
            return one
    raise unknown(noun, value, allowed)


def image_size(text: str) -> tuple[int, int]:
    """(H, W) of "224" or "256x192".

    Raises:
        UserError: it is neither, or too small.

    Example:
        >>> image_size("224"), image_size("256x192")
        ((224, 224), (256, 192))
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and LEAST_SIDE <= int(part) < 100_000 for part in parts):
        raise UserError(
            f"size '{text}' is not a side or HEIGHTxWIDTH of at least {LEAST_SIDE} pixels; give e.g. 224 or 256x192."
        )
    return int(parts[0]), int(parts[-1])


def device(name: str, is_here: bool = True) -> str:
    """The device's name, if it is there.

    Args:
        name: as PyTorch calls it.
        is_here: whether it is used on this machine; else only the name is looked at.

    Raises:
        UserError: it is not, or no name of a device.
    """
    if name == "cpu":
        return name
    if name == "mps":
        return _apples(is_here)
    kind, _, index = name.partition(":")
    if kind != "cuda" or (":" in name and not index.isdecimal()):
        raise UserError(f"device '{name}' is not known; give cpu, cuda, cuda:N or mps.")
    if not is_here:
        if index:
            raise UserError(f"device '{name}' is one of this machine, and jobs run elsewhere; give cpu or cuda.")
        return name
    import torch  # only here, since it takes a second

    if int(index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UserError(f"device '{name}' is not there: PyTorch finds {count} CUDA devices; use --device cpu.")
    return name


def _apples(is_here: bool) -> str:
    """The name of an Apple GPU, if there is one."""
    import torch

    if is_here and not torch.backends.mps.is_available():
        raise UserError("device 'mps' is not there: it is an Apple GPU's, and PyTorch finds none; use --device cpu.")
    return "mps"


def compiler(wanted: bool) -> bool:
    """Whether torch.compile is wanted; there must be a compiler for it.

    Raises:
        UserError: there is none.
    """
    names = (os.environ.get("CXX"), "g++", "clang++", "cl")
    if wanted and not any(name and shutil.which(name) for name in names):
        raise UserError("--compile needs a C++ compiler, and neither $CXX nor g++ nor clang++ is here; install one.")
    return wanted


def out_file(path: Path, suffixes: Sequence[str] = ()) -> Path:
    """The path, if a file of one of these kinds can be written there.

    Raises:
        UserError: its name ends otherwise, or it is a folder, or its own folder is missing.
    """
    if suffixes and path.suffix not in suffixes:
        raise UserError(f"'{path.name}' is no name for what is written; let it end in {' or '.join(suffixes)}.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UserError(f"{path} cannot be written; name a file in a folder that exists.")
    return path


def places(root: Path | None, data: Sequence[str] | None) -> Places:
    """Where data lie, by the flags `DataRoot` and `Data`.

    Raises:
        UserError: a folder does not exist, a task is not known or has two.
    """
    return told(root, data or ()).checked()


def with_setting(panel: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a flag for each field of `Setting` in place of its parameter `setting`.

    Args:
        panel: of the help page, under which the flags stand.

    Returns:
        A decorator. The command gets their values as a mapping by field, as typed and not yet checked.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def spread(**given: Any) -> None:
            setting = {name: given.pop(name) for name in FLAGS}
            command(setting=setting, **given)

        signature = inspect.signature(command, eval_str=True)
        own = [parameter for name, parameter in signature.parameters.items() if name != "setting"]
        spread.__signature__ = signature.replace(parameters=[*own, *_parameters(panel)])  # type: ignore[attr-defined]  # typer reads it
        spread.__annotations__ = {p.name: p.annotation for p in (*own, *_parameters(panel))}
        return spread

    return decorate


def _parameters(panel: str) -> list[inspect.Parameter]:
    """A keyword parameter for each field of `Setting`."""
    found = []
    for name, flag in FLAGS.items():
        info = Setting.model_fields[name]
        option = typer.Option(f"--{flag}", help=info.description, rich_help_panel=panel)
        kind = inspect.Parameter.KEYWORD_ONLY
        found.append(inspect.Parameter(name, kind, default=ASKED[name], annotation=Annotated[type_of(name), option]))
    return found
