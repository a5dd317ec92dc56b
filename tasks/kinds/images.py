"""Images without a truth: what kinds of tasks share whose models make images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tasks.base import Task
from tickets.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MULTIPLE = 8  # `tickets.hosts.upsampling.MULTIPLE`, without torch


@dataclass(frozen=True)
class Images(Task):
    """Images and nothing else. A reader gives "image" uint8 (H, W, 3); what else it gives is not looked at.

    Batch: image float32 (B, 3, H, W), normalised and mirrored half of the time in training. Mirroring alone leaves
    every number one of the 256 levels, which `tasks.views.batches.denormalise` gives back exactly.

    Raises:
        UserError: a side of the size is no multiple of 8.
    """

    size: tuple[int, int] = (32, 32)

    exported: ClassVar[str] = ""  # their noise is drawn outside of the network
    columns: ClassVar[Mapping[str, str]] = {"image": "image"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(side % MULTIPLE for side in self.size):
            raise UserError(
                f"size {self.size} cannot be made by doubling three times; give multiples of {MULTIPLE}, as (32, 32)."
            )

    def batch(self, raw: Mapping[str, Tensor], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """{"image": float32 (B, 3, H, W)}; mirrored at random where a generator is given."""
        from tasks.views import batches

        image = raw["image"]
        return {"image": batches.normalise(image if generator is None else batches.mirrored(image, generator))}
