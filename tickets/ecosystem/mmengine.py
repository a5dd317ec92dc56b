"""A ticket as `backbone=dict(type="Ticket", path=...)` of mmengine's registry, whose children, as mmseg's, see it too.

Import this module, or let a config do it: `custom_imports = dict(imports=["tickets.ecosystem.mmengine"])`.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.registry import MODELS
from torch import Tensor, nn

from tickets.hosts.base import features_of
from tickets.pruning.lasting import Form
from tickets.ticket import Weights
from tickets.ticket_set import single


@MODELS.register_module(name="Ticket")
class TicketBackbone(nn.Module):
    """The maps of a ticket's host, (B, 3, H, W) -> a tuple, finest first.

    It has no `init_weights`, so that a segmentor that is initialised leaves its weights alone.

    Args:
        path: either of the ticket's two files.
        out_indices: numbers of the maps that are given; None for all.
        weights: as `Ticket.build` takes them.
        masks: that last in training, as `Ticket.build` takes them; None for zeros alone.

    Raises:
        UserError: it is no ticket.
    """

    def __init__(
        self,
        path: str,
        out_indices: Sequence[int] | None = None,
        weights: Weights = "ema",
        masks: Form | None = "parametrize",
    ) -> None:
        super().__init__()
        self.host = single(path, "a backbone is").build(weights, masks)
        stages = features_of(self.host)
        self.out_indices = tuple(range(len(stages)) if out_indices is None else out_indices)
        self.channels = tuple(stages[i][0] for i in self.out_indices)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The chosen maps."""
        maps = self.host(image)
        return tuple(maps[i] for i in self.out_indices)
