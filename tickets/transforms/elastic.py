"""Transform: a ticket stretched or squeezed to another depth (X. Chen et al., arXiv 2103.16547)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.hosts.base import HostSpec
from tickets.hosts.depth import carried, fitted
from tickets.pruning.masks import prunable
from tickets.stated import stated
from tickets.ticket import Part, Ticket
from tickets.transforms.base import Carrying

ALLOWED = {"order": ("append", "interpolate"), "pick": ("early", "late", "one")}
UNNAMED = ("the draw's host", "the target's")


@dataclass(frozen=True)
class Elastic(Carrying):
    """The elastic lottery ticket of X. Chen, Y. Cheng, S. Wang, Z. Gan, J. Liu and Z. Wang, section 3.

    The ticket is drawn from `host`, and the run's host is one of its family with more (stretch) or fewer (squeeze)
    blocks a stage. Every block there is a copy of one of the ticket's: weights, batch norms with their statistics,
    masks, the same at the rewind point, and the units that a search left. What does not repeat (the stem, the first
    block of a stage that changes widths) is taken over. The sparsity is what comes of it, and is not asked for.
    Of n blocks, N > n are made by N // n copies of each, and one more of N mod n of them; N < n are the first N.

    Args:
        host: that tickets are drawn from.
        order: of copies: "append", all blocks one after the other and again, or "interpolate", a block's copies side
            by side.
        pick: which blocks get the copies that do not go round: the "early" ones, the "late" ones (which are then
            also those that a squeeze keeps), or "one", the first, all that are more than n.
    """

    host: str = "supernet/tiny"
    order: str = "append"
    pick: str = "early"

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, allowed in ALLOWED.items():
            if (value := getattr(self, option)) not in allowed:
                raise UserError(f"{option} is '{value}'; give {', '.join(allowed[:-1])} or {allowed[-1]}")

    def onto(self, ticket: Ticket, seed: int, spec: HostSpec) -> Ticket:
        """The ticket at the depth of `spec`; it has no averaged weights and no head, since those are of its own."""
        copies, part = self.copies(ticket.spec, spec), ticket.host
        units = carried(part.units, copies)
        with torch.device("meta"):
            host = spec.build(units)
        state = host.state_dict()
        raw, rewind = (fitted(carried(one, copies), state, UNNAMED) if one else {} for one in (part.raw, part.rewind))
        masks = fitted(carried(part.masks, copies), prunable(host), UNNAMED)
        return ticket.moved(spec, Part(masks, raw, {}, rewind, units), transform="elastic", elastic=stated(self))

    def check(self, spec: HostSpec, name: str) -> None:
        """The host must be another one of the family of `host`."""
        source, names = HOSTS.make(self.host), (self.host, name)
        if source == spec:
            raise UserError(
                f"the draw's host {self.host} is the target's, and nothing is stretched; leave the transform out, or "
                "give it another host."
            )
        copies = self.copies(source, spec, names)
        with torch.device("meta"):
            fitted(carried(source.build().state_dict(), copies), spec.build().state_dict(), names)

    def copies(self, source: HostSpec, target: HostSpec, names: tuple[str, str] = UNNAMED) -> dict[str, list[str]]:
        """The blocks of a host that are copies of each block of another one, the first copy first.

        Raises:
            UserError: they are of two families.
        """
        here, there = source.family(), target.family()
        here.refuse_unlike(there, names)
        found: dict[str, list[str]] = {block: [] for blocks in here.stages.values() for block in blocks}
        for stage, goals in there.stages.items():
            blocks = here.stages[stage]
            for goal, number in zip(goals, chosen(len(blocks), len(goals), self.order, self.pick), strict=True):
                found[blocks[number]].append(goal)
        return found


def chosen(n: int, to: int, order: str = "append", pick: str = "early") -> list[int]:
    """Which of n blocks, at least 1, each of `to` blocks copies; `order` and `pick` as options of `Elastic`.

    Example:
        >>> chosen(3, 5), chosen(3, 5, "interpolate"), chosen(3, 5, pick="late"), chosen(5, 3)
        ([0, 1, 2, 0, 1], [0, 0, 1, 1, 2], [0, 1, 2, 1, 2], [0, 1, 2])
    """
    if to <= n:
        return list(range(n - to, n) if pick == "late" else range(to))
    whole, rest = divmod(to, n)
    again = range(n - rest, n) if pick == "late" else range(rest)
    times = [1 + (to - n) * (i == 0) if pick == "one" else whole + (i in again) for i in range(n)]
    if order == "interpolate":
        return [i for i in range(n) for _ in range(times[i])]
    return [i for turn in range(max(times)) for i in range(n) if times[i] > turn]
