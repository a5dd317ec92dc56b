"""What docstrings and docs/methods.md say of members and columns, read without importing any member."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import tickets
from tickets.errors import UserError
from tickets.registry import Registry

ROOT = Path(tickets.__file__).parent.parent
METHODS = ROOT / "docs" / "methods.md"
"""Is there in a checkout; in an installed package it is not, and docstrings tell alone."""

ARGUMENT = re.compile(r"^ {4}(?P<names>[A-Za-z_][\w, ]*): (?P<text>.*)$")
PREPRINT = re.compile(r"(?<![\d.])(\d{4}\.\d{4,5})(?![\d.])")


@dataclass(frozen=True)
class Told:
    """What is known of a member.

    Args:
        about: sentences of its module's and its class's docstring.
        place: file and line of its class, as in "tickets/drawers/imp.py:30".
        settings: what each option means, by its name.
        variant: the options that make it this variant.
        facts: cells of its row in docs/methods.md by the column's title.
        works: arXiv numbers that these name.
    """

    about: str
    place: str
    settings: Mapping[str, str]
    variant: Mapping[str, Any]
    facts: Mapping[str, str]
    works: tuple[str, ...]


def member(registry: Registry[Any], name: str) -> Told | None:
    """What is known of a member that comes with the project, options left out; None of any other."""
    try:
        own = registry.parts(name)[0]
    except UserError:
        return None
    row = registry.builtin.get(own)
    if row is None:
        return None
    module, _, attribute = row.target.partition(":")
    path = ROOT / f"{module.replace('.', '/')}.py"
    tree = _parsed(path)
    found = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == attribute), None)
    doc = (found and ast.get_docstring(found)) or ""
    about = " ".join(filter(None, [paragraphs(ast.get_docstring(tree) or ""), paragraphs(doc)]))
    facts = _methods().get(own, {})
    line = found.lineno if found else 1
    return Told(
        about=about,
        place=f"{path.relative_to(ROOT).as_posix()}:{line}",
        settings=arguments(doc),
        variant=dict(row.options),
        facts=facts,
        works=tuple(dict.fromkeys(PREPRINT.findall(" ".join([about, *facts.values()])))),
    )


def paragraphs(doc: str) -> str:
    """A docstring's prose in one line: everything before its first section."""
    prose = re.split(r"\n\s*(?:Args|Returns|Raises|Example):", doc, maxsplit=1)[0]
    return " ".join(prose.split())


def arguments(doc: str) -> dict[str, str]:
    """Meaning by name of what a docstring's `Args:` lists.

    Example:
        >>> arguments("A row.\\n\\nArgs:\\n    rank: its place,\\n        from 1.\\n    seeds: ascending.")
        {'rank': 'its place, from 1.', 'seeds': 'ascending.'}
    """
    listed = inspect.cleandoc(doc).partition("Args:\n")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in listed.splitlines():
        if match := ARGUMENT.match(line):
            names = [name.strip() for name in match["names"].split(",")]
            found |= dict.fromkeys(names, match["text"])
        else:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


@lru_cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@lru_cache
def _methods() -> dict[str, dict[str, str]]:
    """The rows of the tables of docs/methods.md by every name that they begin with."""
    found: dict[str, dict[str, str]] = {}
    titles: list[str] = []
    lines = METHODS.read_text(encoding="utf-8").splitlines() if METHODS.is_file() else []
    for line in lines:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells or set("".join(cells)) <= set("-: "):
            titles = titles if cells else []
        elif not titles:
            titles = [plain(cell) for cell in cells]
        else:
            facts = {title: plain(cell) for title, cell in zip(titles[1:], cells[1:], strict=False) if cell}
            found |= {name: facts for name in re.findall(r"`([^`]+)`", cells[0])}
    return found


def plain(text: str) -> str:
    """Markdown of one line without its marks.

    Example:
        >>> plain("as `omp`, see [the page](page.md) of |T|".replace("|", r"\\|"))
        'as omp, see the page of |T|'
    """
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "").replace(r"\|", "|")
