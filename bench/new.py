"""python -m bench.new: writes a task adapter or another member that works, its test, and what makes them a package."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer

from bench.command import console
from tasks import TASKS
from tickets import contract
from tickets.errors import UserError, unknown
from tickets.registry import Registry

app = console.application()

TEMPLATES = Path(__file__).parent / "templates"
KINDS = ("cls", "seg", "pose")
NAME = re.compile(r"[a-z][a-z0-9_]*")
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="The file that is written.", show_default="./NAME.py")
]

USED = {
    "drawer": ("sensitivity", "--drawer {}"),
    "recipe": ("quiet", "--recipe {}"),
    "transform": ("shaken", "--transform {}"),
    "host": ("twoconv", "--host {}"),
    "scorer": ("taylor", "--drawer omp@scorer={}"),
    "pattern": ("block", "--drawer omp@pattern={}"),
}
"""By noun: a name as an example, and the flag of bench.run that asks for it."""


@app.callback()
def new() -> None:
    """Write the beginning of an addition to the suite.

    Examples:

    python -m bench.new task cls/plankton

    python -m bench.new drawer sensitivity

    python -m bench.new scorer taylor --out scores/taylor.py
    """


@app.command()
def task(
    name: Annotated[str, typer.Argument(metavar="KIND/NAME", help="The new task: kind cls, seg or pose.")],
    out: Out = None,
) -> None:
    """Write a task adapter, its test and, where there is none, a pyproject.toml that registers it.

    The adapter reads split files and images from a folder named after it; change it to what your data are like.

    Examples:

    python -m bench.new task cls/plankton

    python -m bench.new task pose/mice --out mice/mice.py
    """
    kind, _, short = name.partition("/")
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    file = out or Path(f"{short}.py")
    words = _words(TASKS, name, short, f"{kind}-{short}", file)
    _tell(words, file, _package(file, words, kind, f"test_{kind}"), [
        f"put your data into DIR/{short}/ and say in {file} what they are: names, read, samples, citation",
        f"look at it:  python -m bench.preview --task {name} --data-root DIR --out {short}.png",
        f"prove it:    python -m bench.check task {name} --data-root DIR",
        f"use it:      python -m bench.run --source cls --target {name} --data-root DIR",
    ])  # fmt: skip


def _member(noun: str) -> Callable[..., None]:
    """The command that writes a member of a noun which knows no data set."""
    example, flag = USED[noun]

    def command(
        name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, of small letters, digits and _.")],
        out: Out = None,
    ) -> None:
        registry, file = contract.REGISTRIES[noun], out or Path(f"{name}.py")
        words = _words(registry, name, name, f"{noun}-{name}", file)
        _tell(words, file, _package(file, words, noun, "test_member"), [
            f"say in {file} what it does",
            f"prove it:    python -m bench.check {noun} {name}",
            f"use it:      python -m bench.run --source cls --target seg {flag.format(name)}",
        ])  # fmt: skip

    command.__doc__ = f"""Write a {noun}, its test and, where there is none, a pyproject.toml that registers it.

    It works as it is written; change it to what yours does.

    Examples:

    python -m bench.new {noun} {example}

    python -m bench.new {noun} {example} --out mine/{example}.py
    """
    return command


for _noun in USED:
    app.command(_noun)(_member(_noun))


def _words(registry: Registry[Any], name: str, short: str, project: str, file: Path) -> dict[str, str]:
    """What templates are filled with, for a member that does not exist yet.

    Raises:
        UserError: the name cannot be used, or the file.
    """
    noun = registry.noun
    if not NAME.fullmatch(short) or keyword.iskeyword(short):
        form = "KIND/NAME of small letters, digits and _, as cls/plankton"
        form = form if noun == "task" else f"small letters, digits and _, as {USED[noun][0]}"
        raise UserError(f"{noun} '{name}' is no name; give {form}.")
    if name in registry.names():
        raise UserError(f"the {noun} {name} exists ({registry.target(name)}); give yours another name.")
    families = {one.partition("/")[0] for one in (*registry.names(), *registry.families)}
    if name in families:
        raise UserError(f"the {noun}s {name}/... exist; give yours another name.")
    return {
        "full": name, "name": short, "module": _module(file), "cls": short.title().replace("_", ""), "noun": noun,
        "group": registry.group, "project": f"ticketbench-{project}".replace("_", "-"),
    }  # fmt: skip


def _package(file: Path, words: dict[str, str], template: str, test: str) -> bool:
    """Write a member, its test and a pyproject.toml; whether that one is new."""
    package = file.with_name("pyproject.toml")
    written = {file: template, file.with_name(f"test_{file.name}"): test}
    for path in written:
        if path.exists():
            raise UserError(f"{path} exists and is not overwritten; move it away, or give --out another name.")
    fresh = not package.exists()
    for path, name in {**written, **({package: "pyproject"} if fresh else {})}.items():
        _write(path, Template((TEMPLATES / f"{name}.txt").read_text(encoding="utf-8")).substitute(words))
        print(f"written: {path}")
    return fresh


def _module(file: Path) -> str:
    """The module that a file will be imported as."""
    module = file.stem
    if file.suffix != ".py" or not module.isidentifier() or keyword.iskeyword(module):
        raise UserError(f"'{file.name}' is no name of a Python module; give --out a file as plankton.py.")
    found = importlib.util.find_spec(module)
    if found is not None and found.origin is not None and not file.exists():
        raise UserError(f"a module {module} exists ({found.origin}); give --out another name, my_{module}.py.")
    if not file.absolute().parent.is_dir():
        raise UserError(f"{file} cannot be written; name a file in a folder that exists.")
    return module


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); give --out a file in another folder.") from error


def _tell(words: dict[str, str], file: Path, fresh: bool, steps: list[str]) -> None:
    """Print what is left to do; registering comes second."""
    entry = f'[project.entry-points."{words["group"]}"]\n     "{words["full"]}" = "{words["module"]}:{words["cls"]}"'
    register = "" if fresh else f"\n     after adding to your pyproject.toml\n     {entry}"
    first, *others = steps
    print("next:")
    install = f"register it: pip install --no-deps -e {file.absolute().parent}{register}"
    for number, step in enumerate((first, install, *others), 1):
        print(f"  {number}. {step}")


if __name__ == "__main__":
    console.main(app, "python -m bench.new")
