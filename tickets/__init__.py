"""Drawing tickets: a supernet or another host in, a sparse subnetwork and its file out.

Knows no data set: a drawer sees a `Source` (batches, loss, head). The names below are the package's
public face; they are imported on first use, so that `import tickets` stays light.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Drawer": "tickets.drawer",
    "Source": "tickets.source",
    "Ticket": "tickets.ticket",
    "Supernet": "tickets.supernet",
    "keep_top": "tickets.masks",
    "prunable": "tickets.masks",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tickets' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
