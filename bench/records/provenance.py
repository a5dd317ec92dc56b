"""Where a record comes from: the code, the packages, the machine, the time."""

from __future__ import annotations

import functools
import platform
import subprocess
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.records.record import Code

CODE = ("bench", "tasks", "tickets", "pyproject.toml")
"""What must be unmodified for a checkout to count as clean; a changed README changes no score."""

TIME = "%Y-%m-%dT%H:%M:%SZ"

PACKAGES = (
    "ticketbench",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pillow",
    "timm",
    "onedl-mmengine",
    "onedl-mmsegmentation",
    "faster-coco-eval",
)
"""Distributions whose version can move a score."""


def checkout() -> Path | None:
    """The root of the git checkout that this package lies in, or None.

    None too when the package is installed in an environment that happens to lie inside some other checkout.
    """
    root = Path(__file__).resolve().parents[2]
    tracked = git(root, "ls-files", "--full-name", "--error-unmatch", "bench/__init__.py")
    return root if tracked == "bench/__init__.py" else None


@functools.cache
def commit() -> tuple[str | None, bool | None]:
    """The checkout's commit and whether its code differs from it, new files included.

    Asked once a process, so that an edit made during a run does not change what is told of the code that is
    already loaded; call it before work starts.

    Returns:
        (commit, dirty); (None, None) when installed from a wheel, without git or before the first commit.
    """
    root = checkout()
    head = git(root, "rev-parse", "HEAD") if root else None
    if root is None or head is None:
        return None, None
    changes = git(root, "status", "--porcelain", "--", *CODE)
    return head, None if changes is None else bool(changes)


def git(root: Path, *args: str) -> str | None:
    """What git says, or None when it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", *args],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def packages(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Installed versions by distribution name, read from the metadata: nothing is imported.

    A distribution that is not installed is left out.
    """
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """The type of this machine, on which scores repeat to the last bit, as in "Linux x86_64, AMD EPYC"."""
    names = [f"{platform.system()} {platform.machine()}", _processor()]
    return ", ".join(name for name in names if name)


def _processor() -> str:
    """The processor's model name, or "" where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor() if platform.processor() != platform.machine() else ""
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "")


def now() -> str:
    """The UTC time to the second, as in "2026-01-31T12:00:00Z"."""
    return datetime.now(UTC).strftime(TIME)


def is_ahead(created: str) -> bool:
    """Whether a record says that it was written later than tomorrow, which no clock of any machine explains.

    Example:
        >>> is_ahead("9999-12-31T23:59:59Z"), is_ahead("2026-01-31T12:00:00Z")
        (True, False)
    """
    return created > (datetime.now(UTC) + timedelta(days=1)).strftime(TIME)


def stamp(device: str, codes: Iterable[Code] = ()) -> dict[str, object]:
    """The record's keys that tell where it comes from.

    Args:
        device: the device's name as the job knows it: "cpu", or the accelerator's own name.
        codes: of the job's members that are not ours; one that is dirty makes the record so.

    Returns:
        commit, dirty, packages, device (with the machine's type), created.
    """
    head, dirty = commit()
    dirty = True if any(code.dirty for code in codes) else dirty
    return {
        "commit": head,
        "dirty": dirty,
        "packages": packages(),
        "device": f"{device} ({machine()})",
        "created": now(),
    }
