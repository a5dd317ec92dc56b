"""python -m bench.new: writes a task adapter that works, its test, and what makes them a package."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from bench import console
from tasks import TASKS
from tickets.errors import UserError, unknown

app = console.application()

TEMPLATES = Path(__file__).parent / "templates"
KINDS = ("cls", "seg", "pose")
NAME = re.compile(r"[a-z][a-z0-9_]*")


@app.callback()
def new() -> None:
    """Write the beginning of an addition to the suite.

    Examples:

    python -m bench.new task cls/plankton

    python -m bench.new task seg/cells --out cells/adapter.py
    """


@app.command()
def task(
    name: Annotated[str, typer.Argument(metavar="KIND/NAME", help="The new task: kind cls, seg or pose.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The adapter's file.", show_default="./NAME.py")
    ] = None,
) -> None:
    """Write a task adapter, its test and, where there is none, a pyproject.toml that registers it.

    The adapter reads split files and images from a folder named after it; change it to what your data are like.

    Examples:

    python -m bench.new task cls/plankton

    python -m bench.new task pose/mice --out mice/mice.py
    """
    kind, short = _parts(name)
    file = out or Path(f"{short}.py")
    words = {
        "task": name, "name": short, "module": _module(file), "cls": short.title().replace("_", ""),
        "project": f"ticketbench-{kind}-{short}".replace("_", "-"),
    }  # fmt: skip
    package = file.with_name("pyproject.toml")
    written = {file: kind, file.with_name(f"test_{file.name}"): f"test_{kind}"}
    for path in written:
        if path.exists():
            raise UserError(f"{path} exists and is not overwritten; move it away, or give --out another name.")
    fresh = not package.exists()
    for path, template in {**written, **({package: "pyproject"} if fresh else {})}.items():
        _write(path, Template((TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")).substitute(words))
        print(f"written: {path}")
    print(_next(words, file, fresh))


def _parts(name: str) -> tuple[str, str]:
    """The kind and the name of a task that does not exist yet."""
    kind, _, short = name.partition("/")
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    if not NAME.fullmatch(short) or keyword.iskeyword(short):
        raise UserError(f"task '{name}' is no name; give KIND/NAME of small letters, digits and _, as cls/plankton.")
    if name in TASKS.names():
        raise UserError(f"the task {name} exists ({TASKS.target(name)}); give yours another name.")
    return kind, short


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


def _next(words: dict[str, str], file: Path, fresh: bool) -> str:
    """What is left to do."""
    entry = f'[project.entry-points."ticketbench.tasks"]\n     "{words["task"]}" = "{words["module"]}:{words["cls"]}"'
    register = "" if fresh else f"\n     after adding to your pyproject.toml\n     {entry}"
    return f"""next:
  1. put your data into DIR/{words["name"]}/ and say in {file} what they are: names, read, samples, citation
  2. register it: pip install --no-deps -e {file.absolute().parent}{register}
  3. look at it:  python -m bench.preview --task {words["task"]} --data-root DIR --out {words["name"]}.png
  4. prove it:    python -m bench.check task {words["task"]} --data-root DIR
  5. use it:      python -m bench.run --source cls --target {words["task"]} --data-root DIR"""


if __name__ == "__main__":
    console.main(app, "python -m bench.new")
