"""The user's folder for what can be made again: decoded data, compiled kernels."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """$TICKETBENCH_CACHE, or `ticketbench` in the user's cache folder of this platform; it may not exist yet."""
    if given := os.environ.get("TICKETBENCH_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        parent = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        parent = Path.home() / "Library" / "Caches"
    else:
        parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return parent / "ticketbench"
