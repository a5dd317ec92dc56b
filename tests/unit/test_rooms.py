"""Folders are nouns or rooms, files beside them what all share, or commands; modules import in no circle."""

import ast
import importlib
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from bench.cli import COMMANDS

ROOT = Path(__file__).parents[2]
BESIDE = {
    "tasks": {"answer", "base", "feed", "glimpse", "lettering", "network", "picture"},
    "tickets": {
        "adoption", "atomic", "bounded", "cache", "cost", "errors", "plain", "reference", "registry",
        "seeding", "source", "stated", "ticket", "ticket_set", "traits", "weights",
    },
    "bench": {*COMMANDS, "api", "cli"} - {"speed"},
}  # fmt: skip
"""By package the files beside its folders: what all rooms share; in bench/ the commands."""
FACES = {"tasks": {"TASKS"}, "tickets": set()}
"""Packages with a public face, and what of it is there without being imported on first use."""


def imports(package):
    """Module -> the package's modules that it imports when it is imported; what functions import may circle."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found[name] = {module for node in at_import(tree.body) for module in named(node, package) if module != name}
    return found


def at_import(body):
    """The statements of a module that run when it is imported, those under TYPE_CHECKING left out."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        for part in (
            ("body", "orelse", "handlers", "finalbody") if isinstance(node, ast.If | ast.Try | ast.With) else ()
        ):
            yield from at_import(getattr(node, part, []))


def named(node, package):
    """The package's modules that an import statement names."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        if name.split(".")[0] == package:
            place = ROOT.joinpath(*name.split("."))
            yield name if place.is_dir() or place.with_suffix(".py").exists() else name.rpartition(".")[0]


@pytest.mark.parametrize("package", BESIDE)
def test_modules_import_in_no_circle(package):
    assert len(list(TopologicalSorter(imports(package)).static_order())) >= 20


@pytest.mark.parametrize("package", BESIDE)
def test_beside_the_folders_stands_what_belongs_there(package):
    assert {path.stem for path in (ROOT / package).glob("*.py")} == {"__init__"} | BESIDE[package]


def test_the_picture_of_the_rooms_shows_all_of_them():
    """docs/architecture.svg names every folder that holds modules, and none that is not there."""
    shown = re.findall(r'class="(?:room|name)">([a-z]+)/<', (ROOT / "docs" / "architecture.svg").read_text())
    rooms = [path.parent.name for package in BESIDE for path in (ROOT / package).glob("*/__init__.py")]
    assert sorted(shown) == sorted([*BESIDE, *rooms])


@pytest.mark.parametrize("package", FACES)
def test_editors_and_python_see_the_same_face(package):
    """What stands under TYPE_CHECKING is what `__getattr__` imports and `__all__` lists."""
    module = importlib.import_module(package)
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    typed = next(node.body for node in tree.body if isinstance(node, ast.If))
    assert {alias.name: node.module for node in typed for alias in node.names} == module._PUBLIC
    assert set(module.__all__) == {*module._PUBLIC, *FACES[package]}
    assert not [name for name in module.__all__ if (ROOT / package / f"{name}.py").exists()]  # importing it would win
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Tsk'"):
        _ = module.Tsk
