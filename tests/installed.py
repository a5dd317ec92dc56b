"""Packages as an installer leaves them, for tests that may not install."""

from __future__ import annotations

import tomllib
from pathlib import Path


def install(package: Path) -> None:
    """Leave beside a package's files what an installer makes of its pyproject.toml."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    points = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in of.items()) for group, of in points]
    installed = package / f"{project['name'].replace('-', '_')}-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1\n")
    (installed / "entry_points.txt").write_text("".join(lines))
