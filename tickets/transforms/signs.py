"""Transform: only a ticket's mask and signs are left (arXiv 1905.01067; "a winning sign", arXiv 2504.05357)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from tickets.hosts.base import NORMS
from tickets.seeding import derive
from tickets.ticket import Ticket
from tickets.traits import Traits
from tickets.transforms.base import Transform


@dataclass(frozen=True)
class Signs(Transform):
    """The ticket's mask and the signs of its raw weights, on the magnitudes of fresh ones.

    Published (2504.05357): a ticket of learning-rate rewinding stays in its basin on any fresh magnitudes if its signs
    and the parameters of its norms are kept; with fresh norms, if it was trained by AWS, which mixes the norms with
    their first values and is not here. So `norms=kept` is the paper's first finding, and the default, on any drawer's
    ticket, asks for more than the paper does. Zhou et al. (1905.01067) keep the signs of the first weights, these are
    those of the trained ones. Biases, and the constants of blocks without units, are fresh.

    Args:
        norms: scales and shifts of the norms, "fresh" or "kept"; their statistics are fresh.
    """

    norms: Literal["fresh", "kept"] = "fresh"

    @property
    def traits(self) -> Traits:
        """The magnitudes are new, and there is no point to rewind to."""
        return Traits(drops_rewind=True)

    def apply(self, ticket: Ticket, seed: int) -> Ticket:
        """The signed ticket; `seed` is that of the fresh weights."""
        fresh = ticket.spec.fresh(derive(seed, "signs"), ticket.host.units)
        raw, old = fresh.state_dict(), ticket.host.state("raw")
        signed = {name: raw[name].abs().copysign(old[name]) for name in ticket.host.masks}
        kept = {name: old[name] for name in _parameters_of_norms(fresh)} if self.norms == "kept" else {}
        state = {name: tensor.clone() for name, tensor in {**raw, **signed, **kept}.items()}
        return ticket.with_weights(state, transform="signs", norms=self.norms)


def _parameters_of_norms(host: nn.Module) -> list[str]:
    """The names of scales and shifts."""
    norms = {name: module for name, module in host.named_modules() if isinstance(module, NORMS)}
    return [f"{name}.{own}" for name, norm in norms.items() for own, _ in norm.named_parameters()]
