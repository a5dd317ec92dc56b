"""The user's folder for what can be made again: decoded data, compiled kernels."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tickets.errors import UserError


def cache_folder() -> Path:
    """$TICKETBENCH_CACHE, or `ticketbench` in the user's cache folder of this platform; it may not exist yet.

    Raises:
        UserError: the user has no home folder, as an id without an entry in the system's list, and none is named.
    """
    if given := os.environ.get("TICKETBENCH_CACHE"):
        return Path(given)
    try:
        return _parent() / "ticketbench"
    except RuntimeError as error:
        raise UserError(
            "this user has no home folder to keep decoded data in; set TICKETBENCH_CACHE to a folder of your own."
        ) from error


def _parent() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
