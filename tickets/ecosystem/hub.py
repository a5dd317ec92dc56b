"""A ticket's host with the Hub's `save_pretrained`, `from_pretrained` and `push_to_hub`, masks and all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from tickets.hosts import spec_from_json
from tickets.hosts.base import features_of
from tickets.pruning.lasting import Form, lasting
from tickets.pruning.masks import ones, prunable
from tickets.ticket import Ticket, Weights
from tickets.ticket_set import single


class HubTicket(nn.Module, PyTorchModelHubMixin, library_name="ticketbench", tags=["lottery-ticket", "pruning"]):
    """A ticket's host, (B, 3, H, W) -> a list of maps; its masks are in its state, and so in what is saved.

    `config.json` holds the arguments, from which `from_pretrained` makes the architecture that the saved state fits.

    Args:
        spec: of the host, as a ticket's description states it.
        units: live units by block and kernel size, likewise.
        masks: the form of the masks, "parametrize" or "prune".
    """

    def __init__(self, spec: dict[str, Any], units: dict[str, dict[str, int]], masks: Form = "parametrize") -> None:
        super().__init__()
        live = {block: {int(size): n for size, n in sizes.items()} for block, sizes in units.items()}
        host = spec_from_json(spec).build(live or None)
        self.host = lasting(host, ones(prunable(host)), masks).eval()
        self.features = features_of(self.host)

    @classmethod
    def of(cls, ticket: Ticket | Path | str, weights: Weights = "ema", masks: Form = "parametrize") -> HubTicket:
        """A ticket, or one of its two files, as such a module.

        Args:
            ticket: or its file.
            weights: as `Ticket.build` takes them.
            masks: their form.

        Raises:
            UserError: it is no ticket.
        """
        found = ticket if isinstance(ticket, Ticket) else single(ticket, "a module is")
        told: Mapping[str, Any] = found.description
        made = cls(spec=told["spec"], units=told["units"]["host"], masks=masks)
        made.host.load_state_dict(found.build(weights, masks).state_dict())
        return made

    def forward(self, image: Tensor) -> list[Tensor]:
        """The host's maps."""
        maps: list[Tensor] = self.host(image)
        return maps
