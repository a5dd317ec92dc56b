"""A callback of Lightning that keeps a module's zeros at zero, for networks without masks of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from tickets.errors import UserError
from tickets.pruning.lasting import zeros
from tickets.pruning.masks import Masked

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as error:
    raise UserError(
        "the callback needs Lightning, which is not installed; pip install 'ticketbench[lightning]'."
    ) from error


class KeepZeros(Callback):
    """After every batch, weights that were zero when the fit began are zero again, whatever the optimiser did.

    A network that `Ticket.build(masks=...)` made needs no callback. A checkpoint that is gone on from is read before
    the zeros are looked up.

    Args:
        masks: by weight name as the module names them, True is kept; None for those that its zeros make, of every
            convolution and linear layer.
    """

    def __init__(self, masks: Mapping[str, Tensor] | None = None) -> None:
        self.masks = masks
        self._masked: Masked | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look up which weights are zero, once they are on their device."""
        self._masked = Masked(pl_module, zeros(pl_module) if self.masks is None else self.masks)

    def on_train_batch_end(self, *args: Any, **more: Any) -> None:
        """Set them to zero again, after the optimiser's step."""
        if self._masked is not None:
            self._masked.project()
