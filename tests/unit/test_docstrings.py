"""Everything public says what it does; pytest's --doctest-modules checks that its examples are true."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [path for room in ("bench", "tasks", "tickets") for path in sorted((ROOT / room).rglob("*.py"))]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def documented_methods() -> dict[str, set[str]]:
    """By class name, the methods that some class of that name documents; an override inherits the text."""
    found: dict[str, set[str]] = {"Module": {"forward"}, "Dataset": {"__len__", "__getitem__"}}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                methods = {m.name for m in node.body if isinstance(m, FUNCTIONS) and ast.get_docstring(m)}
                found.setdefault(node.name, set()).update(methods, *(found.get(base) or () for base in bases(node)))
    return found


def bases(node: ast.ClassDef) -> list[str]:
    """Names of a class's bases, without their modules and parameters."""
    plain = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in plain]


def silent(tree: ast.Module, known: dict[str, set[str]]) -> Iterator[str]:
    """Public things without a docstring, as "line: name"."""
    if not ast.get_docstring(tree):
        yield "1: the module"
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, *FUNCTIONS)) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield f"{node.lineno}: {node.name}"
            if isinstance(node, ast.ClassDef):
                yield from silent_methods(node, known)


def silent_methods(node: ast.ClassDef, known: dict[str, set[str]]) -> Iterator[str]:
    """Public methods of a class that neither it nor a base documents."""
    inherited = set().union(*(known.get(base, set()) for base in bases(node)))
    for method in node.body:
        if isinstance(method, FUNCTIONS) and not method.name.startswith("_"):
            overloaded = any("overload" in ast.dump(decorator) for decorator in method.decorator_list)
            if not (ast.get_docstring(method) or method.name in inherited or overloaded):
                yield f"{method.lineno}: {node.name}.{method.name}"


KNOWN = documented_methods()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_everything_public_has_a_docstring(path: Path) -> None:
    assert list(silent(ast.parse(path.read_text(encoding="utf-8")), KNOWN)) == []


def test_the_walk_finds_what_it_should() -> None:
    text = '''
    def told():
        """Told."""
    def silent(): ...
    def _private(): ...
    class Told(Base):
        """Told."""
        def method(self): ...
        def inherited(self): ...
        def _private(self): ...
    '''
    found = list(silent(ast.parse(textwrap.dedent(text)), {"Base": {"inherited"}}))
    assert found == ["1: the module", "4: silent", "8: Told.method"]
