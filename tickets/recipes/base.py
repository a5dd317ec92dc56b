"""How a ticket is trained on a target: a recipe says what it starts from and what rides on the training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from tickets.cost import dense_macs, layer_costs
from tickets.errors import UserError
from tickets.hosts.base import HostSpec
from tickets.pruning.masks import Masks
from tickets.search.costs import Penalty, penalties, unit_costs
from tickets.source import Source, head_of, initial_head
from tickets.ticket import Ticket
from tickets.ticket_set import TicketSet, member_seed, members_of
from tickets.training.loop import Training
from tickets.training.method import Method, Pass
from tickets.training.network import Network
from tickets.training.settings import Settings
from tickets.traits import Traits


@dataclass(frozen=True)
class Recipe(Method):
    """Start of a transfer; host and head are then trained on the target under the fixed masks.

    What else it does while training it says as every `Method`, most often by `loss`.
    """

    trains_host: ClassVar[bool] = True

    @property
    def traits(self) -> Traits:
        """What planning must know; the default needs nothing but a ticket."""
        return Traits()

    @abstractmethod
    def host(self, ticket: Ticket, seed: int) -> nn.Module:
        """The host to start from; masked weights may hold values, they are zeroed."""

    def objective(self, training: Training, seen: Pass) -> Tensor:
        """What is learnt: the default is the target's loss."""
        return super().loss(training, seen)

    def loss(self, training: Training, seen: Pass) -> Tensor:
        """The objective, with the search penalty of tickets whose drawer keeps it on."""
        loss = self.objective(training, seen)
        if "penalties" not in training.aside:
            return loss
        rho: float = training.aside["rho"]
        penalty = training.kept("penalty", lambda: Penalty(training.network, training.aside["penalties"]))
        return loss + rho * penalty()


def transfer(
    ticket: Ticket,
    recipe: Recipe,
    target: Source,
    settings: Settings,
    seed: int,
    head: Literal["fresh", "keep"] = "fresh",
    given: Mapping[str, Ticket] | None = None,
) -> Training:
    """A ticket's host under its fixed masks with a head for the target, ready to run.

    Args:
        ticket: not modified.
        recipe: what the host starts from.
        target: the task to train on.
        settings: how long and how.
        seed: of fresh weights and the head, shared by all methods at that seed.
        head: "fresh", or "keep" for the source head where the target is of the same kind.
        given: the further tickets that the recipe's traits say it needs, by role.

    Raises:
        UserError: the ticket lacks the weights that the recipe inherits, or a head that cannot be kept, or a ticket
            that the recipe needs was not given.
    """
    recipe.traits.require(given or (), type(recipe).__name__)
    host = recipe.host(ticket, seed).train()
    host.requires_grad_(recipe.trains_host)
    masks: Masks = {f"host.{name}": mask for name, mask in ticket.host.masks.items()}
    if head == "keep":
        module = _kept_head(ticket, target, host, seed)
        masks |= {f"head.{name}": mask for name, mask in ticket.head.masks.items()}
    else:
        module = initial_head(target, host, seed)
    training = Training(
        network=Network(host, module, masks),
        source=target,
        settings=settings,
        seed=seed,
        method=recipe,
        events=recipe.events(settings.steps, ticket.sparsity),
        given=given or {},
        full_macs=full_macs(ticket.spec, target),
    )
    if rho := ticket.provenance.get("lasting_rho", 0.0):  # normalised anew on what is left
        costs = unit_costs(training.network, layer_costs(training.network, target.size))
        training.aside |= {"rho": rho, "penalties": penalties(training.network, costs)}
    return training


def transfers(
    found: Ticket | TicketSet,
    recipe: Recipe,
    target: Source,
    settings: Settings,
    seed: int,
    head: Literal["fresh", "keep"] = "fresh",
    given: Mapping[str, Ticket] | None = None,
) -> Iterator[Training]:
    """A ticket's training, or one for each member of a set, made when its turn has come.

    A member other than the first has a seed of its own (`tickets.ticket_set.member_seed`) for its head, for weights
    that a recipe draws anew, and for the order and augmentation of the data.

    Args:
        found: what is trained.
        recipe, target, settings, seed, head, given: as `transfer` takes them.

    Raises:
        UserError: as `transfer`.
    """
    for number, ticket in enumerate(members_of(found)):
        own = member_seed(seed, number)
        yield transfer(ticket, recipe, target.member(number), settings, own, head, given)


def full_macs(spec: HostSpec, source: Source) -> int:
    """Forward MACs of one image through the full host with a fresh head for a task."""
    with torch.device("meta"):
        host = spec.build()
        return dense_macs(layer_costs(Network(host, head_of(source, host)), source.size))


def _kept_head(ticket: Ticket, target: Source, host: nn.Module, seed: int) -> nn.Module:
    """The source head; its prediction layer stays fresh where the target has other outputs."""
    saved = ticket.head.state("raw")
    width = saved["predict.weight"].shape[1] if "predict.weight" in saved else None
    module = initial_head(target, host, seed, ticket.head.units or None, width)
    fresh = module.state_dict()
    usable = {n: saved[n] if n in saved and saved[n].shape == t.shape else t for n, t in fresh.items()}
    lost = [n for n in fresh if usable[n] is fresh[n] and not n.startswith("predict.")]
    if lost or saved.keys() - fresh.keys():
        raise UserError(
            f"the head drawn on {ticket.provenance.get('source')} does not fit {target.name}; "
            "keep heads between tasks of one kind, or use --head fresh."
        )
    module.load_state_dict(usable)
    return module
