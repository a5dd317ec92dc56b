"""Packages of other people as a package manager leaves them, and commands run by somebody who has them installed."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.jobs.identity import REGISTRIES
from tickets.registry import Registry

ROOT = Path(__file__).parents[1]
Points = Mapping[str, Mapping[str, str]]
"""Entry points: by group, name to "module:attribute"."""


def install(site: Path, name: str, files: Mapping[str, str], points: Points, version: str = "0.1") -> Path:
    """Copy files into a folder of packages, with the metadata that an index's wheel leaves.

    Args:
        site: the folder; is made, and may hold others' packages.
        name: of the distribution.
        files: text by file name.
        points: what it registers.
        version: of the distribution.

    Returns:
        The site, for PYTHONPATH.
    """
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in of.items()) for group, of in points.items()
    ]
    told = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/entry_points.txt": "\n".join(lines),
    }
    rows = [f"{info}/RECORD,,"]
    for file, text in {**files, **told}.items():
        path, data = site / file, text.encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows.append(f"{file},sha256={digest},{len(data)}")
    (site / info / "RECORD").write_text("\n".join(rows) + "\n")
    return site


def see(patch: pytest.MonkeyPatch, site: Path) -> None:
    """Have this process see a site's packages, until the patch is undone."""
    patch.syspath_prepend(site)
    for registry in REGISTRIES.values():
        patch.setitem(vars(registry), "_plugins", Registry._plugins.func(registry))


def command(site: Path, module: str, *args: object, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run `python -m module` from the checkout, the site's packages installed."""
    words = [sys.executable, "-m", module, *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout)
