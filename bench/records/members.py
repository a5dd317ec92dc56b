"""Code that is not ours: which source a member of another distribution has, and whether others can get exactly it."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.records.provenance import git
from bench.records.record import Code
from tickets.errors import UserError

SOURCES = ("*.py", "pyproject.toml", "setup.cfg", "setup.py")
"""What must be unmodified for a plug-in's checkout to count as clean, wherever in it they lie."""

_told: dict[tuple[str, str | None, str | None], dict[str, Any]] = {}
"""What was found, by module, distribution and version: once a process, so that an edit made during a run does not
change what is told of the code that is already loaded."""


@dataclass(frozen=True)
class Origin:
    """Where a member's files come from.

    Args:
        commit: that they are from; None where nothing tells.
        dirty: whether they differ from that commit, or from what was installed; None where nothing tells.
        is_public: whether somebody else can get exactly these files.
    """

    commit: str | None = None
    dirty: bool | None = None
    is_public: bool = False


def code_of(noun: str, name: str, target: str, distribution: Distribution | None) -> Code:
    """What a record says of a member whose code is not ours; nothing is imported.

    Public is what was installed from an index or from a repository's address and is unchanged since, and what lies
    in a clean git checkout.

    Args:
        noun: what the member is, as in "drawer".
        name: as the registry has it.
        target: "module:attribute".
        distribution: that registers it; None where nothing was installed.

    Raises:
        UserError: there is no such module.
    """
    module = target.partition(":")[0]
    version = distribution.version if distribution else None
    owner = distribution.name if distribution else None
    key = (module, owner, version)
    if key not in _told:
        files = sources(module)
        if not files:
            raise UserError(
                f"the plug-in {noun} '{name}' ({target}) cannot be loaded: there is no module {module}; repair or "
                "uninstall the package that registers it."
            )
        _told[key] = {"source": digest(files), **vars(origin(list(files.values()), distribution))}
    return Code(noun=noun, name=name, distribution=owner, version=version, **_told[key])


def private(codes: Sequence[Code]) -> str | None:
    """Why rows of this code are not published, as a sentence that says how to mend it; None where they may be."""
    names = [code.label for code in codes if not code.is_public]
    if not names:
        return None
    return (
        f"nobody else can get the code of {' and '.join(names)}; commit the plug-in and install it from its repository "
        "or index, then run the job with --force."
    )


def sources(module: str) -> dict[str, Path]:
    """All Python files of the topmost package that a module lies in, or its single file, by their names below it.

    A namespace without an `__init__.py`, which several distributions may share, is no such package.

    Returns:
        Sorted by name, as in "rigl/drawer.py"; empty where there is no such module.
    """
    spec = _topmost(module)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return {}
    file = Path(spec.origin)
    if spec.submodule_search_locations is None:
        return {file.name: file}
    found = {path.relative_to(file.parent.parent).as_posix(): path for path in file.parent.rglob("*.py")}
    return dict(sorted(found.items()))


def _topmost(module: str) -> ModuleSpec | None:
    """The first on the way to a module that has a file; None where the way ends before."""
    top, *rest = module.split(".")
    try:
        spec, name = find_spec(top), top
    except ValueError:  # it was made by hand, and names no file
        return None
    for part in rest:
        if spec is None or spec.origin is not None:
            return spec
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec


def digest(files: dict[str, Path]) -> str:
    """SHA-256 over names and contents."""
    found = hashlib.sha256()
    for name, path in files.items():
        content = path.read_bytes()
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def origin(files: list[Path], distribution: Distribution | None) -> Origin:
    """Where some files come from: a distribution that installed them, or the git checkout that they lie in."""
    recorded = _recorded(distribution)
    if distribution is not None and any(path.resolve() in recorded for path in files):
        return _installed(all(path.resolve() in recorded for path in files) and _is_intact(recorded), distribution)
    return _checked_out(files[0].resolve())


def _recorded(distribution: Distribution | None) -> dict[Path, str]:
    """Every file that was installed and its hash as RECORD tells it, "" where it tells none."""
    if distribution is None:
        return {}
    text = distribution.read_text("RECORD") or ""
    rows = (row for row in csv.reader(text.splitlines()) if len(row) > 1)
    return {Path(str(distribution.locate_file(name))).resolve(): told for name, told, *_ in rows}


def _is_intact(recorded: dict[Path, str]) -> bool:
    """Whether all installed files have the hashes that they were installed with."""
    return all(_has_hash(path, told) for path, told in recorded.items() if told)


def _has_hash(path: Path, told: str) -> bool:
    kind, _, value = told.partition("=")
    try:
        got = hashlib.new(kind, path.read_bytes()).digest()
    except (OSError, ValueError):
        return False
    return base64.urlsafe_b64encode(got).decode().rstrip("=") == value


def _installed(is_intact: bool, distribution: Distribution) -> Origin:
    """Of files that were copied into the environment: from an index where no direct_url.json says otherwise."""
    text = distribution.read_text("direct_url.json")
    if text is None:
        return Origin(None, not is_intact, is_intact)
    try:
        url = json.loads(text)
        commit, is_here = url.get("vcs_info", {}).get("commit_id"), url["url"].startswith("file:")
    except (ValueError, LookupError, AttributeError):
        return Origin(None, None if is_intact else True)
    dirty = None if is_intact and commit is None else not is_intact
    return Origin(commit, dirty, is_intact and commit is not None and not is_here)


def _checked_out(file: Path) -> Origin:
    """Of files that lie in a git checkout, one of them given; nothing is told where git ignores it."""
    folder = file.parent
    head, ignored = git(folder, "rev-parse", "HEAD"), git(folder, "check-ignore", str(file))
    if head is None or ignored:
        return Origin()
    changes = git(folder, "status", "--porcelain", "--untracked-files=all", "--", *(f":(top){one}" for one in SOURCES))
    dirty = None if changes is None else bool(changes)
    return Origin(head, dirty, dirty is False)
