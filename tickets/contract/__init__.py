"""What drawers, recipes, transforms, hosts, scorers and patterns promise, as checks.

`python -m bench.check drawer NAME` prints them, the contract tests run them over all members, a member's own test runs
them over it. One file a noun, each with `Subject`, `CHECKS`, `verdict` and `verdicts`; this one imports no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

from tickets.drawers import DRAWERS
from tickets.hosts import HOSTS
from tickets.patterns import PATTERNS
from tickets.recipes import RECIPES
from tickets.registry import Registry
from tickets.scorers import SCORERS
from tickets.transforms import TRANSFORMS

REGISTRIES: dict[str, Registry[Any]] = {
    registry.noun: registry for registry in (DRAWERS, RECIPES, TRANSFORMS, HOSTS, SCORERS, PATTERNS)
}
"""The nouns that have a contract here, and where their members are found."""


def of(noun: str) -> Any:
    """The module with the checks of a noun: `tickets.contract.drawers` for "drawer"."""
    return importlib.import_module(f"{__name__}.{noun}s")
