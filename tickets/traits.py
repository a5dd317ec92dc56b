"""What a plan must know of a member before anything is imported or computed."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from tickets.errors import UserError

Taken = Literal["image", "latent"]
"""What a host takes: images, or what images are made of."""


@dataclass(frozen=True)
class Need:
    """A ticket that a member's jobs are given, drawn by a job of its own.

    Args:
        role: under which name it is given, as in "base" or "teacher".
        drawer: that draws it.
        on: which of the job's tasks it is drawn on.
        sparsity: of the draw; None for that of the job.
    """

    role: str
    drawer: str
    on: Literal["source", "target"] = "source"
    sparsity: float | None = 0.0


@dataclass(frozen=True)
class Traits:
    """Plain facts about a member; those that its noun does not have keep their defaults.

    Args:
        needs: tickets that its jobs are given.
        searches: drawers: whether the architecture is searched, which needs a host with units.
        prunes: drawers: whether weights are removed; if not, the sparsity is 0 whatever is asked for.
        rewinds: drawers: whether tickets keep a rewind point, which the recipe `rewind` starts from.
        needs_weights: drawers: whether it needs a host that begins with weights of a file.
        needs_file: drawers: whether its name must say a file, and does not.
        draws_sets: drawers: whether what is drawn is a set of tickets that predict together.
        is_control: transforms: whether what it makes is a control that tickets must beat, not a ticket.
        draws_from: transforms: the host that its tickets are drawn from where that is not the one which they are then
            trained on, by its full name.
        drops_rewind: transforms: whether what it makes has no rewind point, as where the weights are new.
        is_on_source: recipes: whether it goes on with the source head, and so trains on the source only.
        is_from_rewind: recipes: whether it needs a ticket with a rewind point.
        imitates: recipes: whether it trains by the target's `imitation` of a teacher, which not every task defines; its
            option `temperature`, where it has one, is that of the imitation.
        has_units: hosts: whether there is an architecture to search.
        has_weights: hosts: whether its first weights come from a file.
        has_search_blocks: hosts: whether there are blocks that kernels of our own can compute.
        takes: hosts: what they make feature maps of; tasks say which of the two they can stand on.
        lowers_timesteps: drawers: whether it needs a host that runs its layers at several time steps.
        has_timesteps: hosts: whether it does.
    """

    needs: tuple[Need, ...] = ()
    searches: bool = False
    prunes: bool = True
    rewinds: bool = False
    needs_weights: bool = False
    needs_file: bool = False
    draws_sets: bool = False
    is_control: bool = False
    draws_from: str | None = None
    drops_rewind: bool = False
    is_on_source: bool = False
    is_from_rewind: bool = False
    imitates: bool = False
    has_units: bool = False
    has_weights: bool = False
    has_search_blocks: bool = False
    takes: Taken = "image"
    lowers_timesteps: bool = False
    has_timesteps: bool = False

    @property
    def base(self) -> str | None:
        """The drawer whose ticket a drawer starts from, shared by all that start from it; None for none."""
        return next((need.drawer for need in self.needs if need.role == "base"), None)

    def require(self, given: Container[str], who: str) -> None:
        """See that all needed tickets are there.

        Args:
            given: the roles that tickets were given in.
            who: needs them, for the message.

        Raises:
            UserError: one is missing; names its role and its drawer.
        """
        for need in self.needs:
            if need.role not in given:
                raise UserError(f"{who} needs a ticket of '{need.drawer}' as its {need.role}; give one.")


def based_on(drawer: str) -> tuple[Need, ...]:
    """The need of a drawer that starts from another one's ticket of sparsity 0, on the same source."""
    return (Need("base", drawer),)


def taught_by(drawer: str) -> tuple[Need, ...]:
    """The need of a recipe that learns from a drawer's ticket of sparsity 0, trained on the target."""
    return (Need("teacher", drawer, on="target"),)
