"""Transform: what of a ticket is left when only its mask and its signs are kept (arXiv 1905.01067)."""

from dataclasses import dataclass

from tickets import Transform, derive


@dataclass(frozen=True)
class Signs(Transform):
    """The ticket's mask and the signs of its weights, on the magnitudes of fresh ones; batch norms are fresh."""

    def apply(self, ticket, seed):
        fresh = ticket.spec.initial(derive(seed, "signs"), ticket.host.units).state_dict()
        signed = {name: fresh[name].abs().copysign(ticket.host.raw[name]) for name in ticket.host.masks}
        return ticket.with_weights({**fresh, **signed}, transform="signs")
