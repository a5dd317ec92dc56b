"""Who may import whom, and what stays light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("bench", "tasks", "tickets")
"""From the top down: a room may import itself and what stands after it."""

INSIDE = tuple(
    f"bench.{room}"
    for room in (
        "sharing",
        "views",
        "inventory",
        "audit",
        "boards",
        "jobs",
        "request",
        "engines",
        "command",
        "records",
        "numbers",
    )
)
"""The rooms in bench/, from the top down; what lies beside them is there for all, or a command."""

HEAVY = (
    "torch",
    "torchvision",
    "mmengine",
    "mmcv",
    "mmseg",
    "cv2",
    "timm",
    "pandas",
    "scipy.stats",
    "matplotlib",
)
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every import of a module, those inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Call) and "import_module" in ast.dump(node.func):
            yield from ((node.lineno, a.value) for a in node.args if isinstance(a, ast.Constant))


def upward(room: str, tree: ast.AST) -> list[str]:
    """Imports that a room, "bench.jobs" for one in bench/, may not make, as "line: module"."""
    forbidden = (*ROOMS[: ROOMS.index(room.partition(".")[0])], "tests", "samples")
    forbidden += INSIDE[: INSIDE.index(room)] if room in INSIDE else ()
    return [
        f"{line}: {module}"
        for line, module in imported(tree)
        if f"{module}.".startswith(tuple(f"{f}." for f in forbidden))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top, *rest = path.relative_to(ROOT).parts
    inside = f"{top}.{rest[0]}"
    assert upward(inside if inside in INSIDE else top, tree) == []
    assert [f"{line}: {module}" for line, module in imported(tree) if module.startswith(".")] == []


@pytest.mark.parametrize(
    ("room", "text", "found"),
    [
        ("tickets", "from tasks.base import Task", ["1: tasks.base"]),
        ("tickets", "def f():\n    import bench.run", ["2: bench.run"]),
        ("tasks", "import bench", ["1: bench"]),
        ("tasks", "importlib.import_module('bench.run')", ["1: bench.run"]),
        ("tasks", "import tickets, tasks.base", []),
        ("bench", "import tasks, tickets, bench.request.plan", []),
        ("bench", "from tests import samples", ["1: tests"]),
        ("bench", "from bench.views import ticket", []),
        ("bench.jobs", "from bench.boards.formats.terminal import show", ["1: bench.boards.formats.terminal"]),
        ("bench.boards", "from bench.jobs.store import Store\nfrom bench import record", []),
    ],
)
def test_the_walk_finds_what_it_should(room: str, text: str, found: list[str]) -> None:
    assert upward(room, ast.parse(text)) == found


def loaded_by(*args: str) -> set[str]:
    """Names of the modules that a fresh interpreter imports; its exit code must be 0."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *args],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    "args",
    [
        ("-c", "import bench, tasks, tickets"),
        ("-c", "import tasks.sets.coco, tasks.sets.lsp"),  # as decoding processes do
        (
            "-c",
            "import bench.jobs.grid, bench.jobs.kernels, bench.jobs.names, bench.engines.local",
        ),  # all of a finished run
        ("-m", "bench.table", "--help"),
        ("-m", "bench.table", "tests/golden/records"),
        ("-m", "bench.run", "--help"),
        ("-m", "bench.run", "--list"),
        ("-m", "bench.preview", "--help"),
        ("-m", "bench.check", "task", "--help"),
        ("-m", "bench.check", "drawer", "--help"),
        ("-m", "bench.check", "results", "--help"),
        ("-m", "bench.check", "recompute", "--help"),
        ("-m", "bench.claims", "--help"),
        ("-m", "bench.check", "schema"),
        ("-m", "bench.publish", "--help"),
        ("-m", "bench.share", "--help"),
        ("-m", "bench.clean", "--help"),
        ("-m", "bench.new", "task", "--help"),
        ("-m", "bench.new", "scorer", "--help"),
        ("-m", "bench.cli", "--help"),
        ("-m", "bench.cli"),
        ("-c", "import bench.api"),
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(args: tuple[str, ...]) -> None:
    assert loaded_by(*args).intersection(HEAVY) == set()


def test_the_packages_themselves_import_no_numpy() -> None:
    assert loaded_by("-c", "import bench, tasks, tickets").intersection({"numpy", "PIL", "typer"}) == set()


def test_only_the_command_that_was_asked_for_is_imported() -> None:
    assert "bench.run" not in loaded_by("-m", "bench.cli", "table", "tests/golden/records")
