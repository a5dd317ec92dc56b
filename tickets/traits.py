"""What a plan must know of a drawer before anything is imported or computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Traits:
    """Plain facts about a drawer.

    Args:
        base: name of the drawer whose ticket it starts from, as "dense"; that ticket is drawn once, at
            sparsity 0, and shared by all drawers that start from it. None: it trains from fresh weights.
        searches: whether it searches the architecture, which needs the supernet.
        prunes: whether it removes weights; if not, its sparsity is 0 whatever is asked for.
        rewinds: whether its tickets keep a rewind point, which the recipe `rewind` starts from.
    """

    base: str | None = None
    searches: bool = False
    prunes: bool = True
    rewinds: bool = False
