"""Transform: a ticket of a network with ReLUs, put to spiking (Y. Kim et al., arXiv 2207.01382)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.hosts.base import HostSpec
from tickets.hosts.spiking import SpikingSpec
from tickets.ticket import Ticket
from tickets.transforms.base import Carrying

OWN = ("neuron", "timesteps", "tau", "threshold", "sharpness", "bn")
"""What a spiking network has and its twin has no use for."""


@dataclass(frozen=True)
class Respike(Carrying):
    """The "transferred ticket" of section 4.4: masks, weights, batch norms and rewind point of the ReLU twin's ticket,
    in a network whose neurons spike. Drawing costs what the twin costs, which has no time steps.

    Args:
        host: the twin, which tickets are drawn from.
    """

    host: str = "spiking/tiny_relu"

    def onto(self, ticket: Ticket, seed: int, spec: HostSpec) -> Ticket:
        """The spiking ticket; it has no averaged weights and no head, since those are of the twin's activations.

        Raises:
            UserError: the ticket is of no twin of the spiking network.
        """
        if not is_twin(ticket.spec, spec):
            raise UserError(
                f"respike takes tickets drawn on the ReLU twin of a spiking network, as {self.host}, and this one is "
                f"of the kind {ticket.spec.kind} and no twin."
            )
        return ticket.moved(spec, replace(ticket.host, ema={}), transform="respike")

    def check(self, spec: HostSpec, name: str) -> None:
        """The host must be the spiking network whose twin is `host`."""
        super().check(spec, name)
        if not is_twin(HOSTS.make(self.host), spec):
            raise UserError(
                f"respike takes tickets drawn on {self.host}, which is no ReLU twin of {name}; give it the twin of a "
                "spiking --host, as respike@host=spiking/vgg16_relu for spiking/vgg16."
            )


def is_twin(twin: HostSpec, spec: HostSpec) -> bool:
    """Whether one host has ReLUs where the other spikes, and both are alike else."""
    if not isinstance(twin, SpikingSpec) or not isinstance(spec, SpikingSpec):
        return False
    alike = replace(twin, **{name: getattr(spec, name) for name in OWN})
    return alike == spec and (twin.neuron, spec.neuron) == ("relu", "lif")
