"""How a ticket is trained on a target: a recipe says what it starts from, the rest is the same for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from tickets.cost import dense_macs, layer_costs
from tickets.drawer import initial_head
from tickets.errors import UserError
from tickets.host import HostSpec
from tickets.masks import Masks, Semantics
from tickets.network import Network
from tickets.search import gamma_penalty
from tickets.source import Source
from tickets.ticket import Ticket
from tickets.training import Settings, Training


@dataclass(frozen=True)
class Recipe(ABC):
    """Start of a transfer; host and head are then trained on the target under the fixed masks."""

    version: ClassVar[int] = 1
    trains_host: ClassVar[bool] = True

    @abstractmethod
    def host(self, ticket: Ticket, seed: int) -> nn.Module:
        """The host to start from; masked weights may hold values, they are zeroed."""


def transfer(
    ticket: Ticket,
    recipe: Recipe,
    target: Source,
    settings: Settings,
    seed: int,
    head: Literal["fresh", "keep"] = "fresh",
) -> Training:
    """A ticket's host under its fixed masks with a head for the target, ready to run.

    Args:
        ticket: not modified.
        recipe: what the host starts from.
        target: the task to train on.
        settings: how long and how.
        seed: of fresh weights and the head, shared by all methods at that seed.
        head: "fresh", or "keep" for the source head where the target is of the same kind.

    Raises:
        UserError: the ticket lacks the weights that the recipe inherits, or a head that cannot be kept.
    """
    host = recipe.host(ticket, seed).train()
    host.requires_grad_(recipe.trains_host)
    masks: Masks = {f"host.{name}": mask for name, mask in ticket.host.masks.items()}
    if head == "keep":
        module = _kept_head(ticket, target, host, seed)
        masks |= {f"head.{name}": mask for name, mask in ticket.head.masks.items()}
    else:
        module = initial_head(target, host, seed)
    network = Network(host, module, masks, Semantics.PROJECTION)
    return Training(
        network=network,
        source=target,
        settings=settings,
        seed=seed,
        extra_loss=_lasting_penalty(ticket, network, target),
        full_macs=full_macs(ticket.spec, target),
    )


def full_macs(spec: HostSpec, source: Source) -> int:
    """Forward MACs of one image through the full host with a fresh head for a task."""
    with torch.device("meta"):
        host = spec.build()
        return dense_macs(layer_costs(Network(host, source.head(host.features)), source.size))


def _lasting_penalty(ticket: Ticket, network: Network, target: Source) -> Callable[[Training], Tensor] | None:
    """The search penalty, for tickets of drawers that keep it on; normalised anew on what is left."""
    rho = ticket.provenance.get("lasting_rho", 0.0)
    return gamma_penalty(network, target.size, lambda training: rho) if rho else None


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
