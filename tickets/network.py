"""Host and head in one module, with the masks that are in force."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from tickets.masks import Masks, Semantics, prunable
from tickets.supernet import search_blocks


class Network(nn.Module):
    """A host with a task's head; (B, 3, H, W) -> the head's outputs.

    Args:
        host: maps images to a list of feature maps.
        head: maps that list to outputs; its layer called `predict` is never pruned.
        masks: by weight name as seen from here ("host.stem.0.weight"); weights without one are dense.
        semantics: what a mask does, see `Semantics`. Under PROJECTION the training loop zeroes weights.
    """

    def __init__(
        self,
        host: nn.Module,
        head: nn.Module,
        masks: Masks | None = None,
        semantics: Semantics = Semantics.PROJECTION,
    ) -> None:
        super().__init__()
        self.host, self.head = host, head
        self.masks: Masks = dict(masks or {})
        self.semantics = semantics

    def forward(self, image: Tensor) -> Any:
        """Run host and head; under REPARAM with m*w in place of every masked weight w."""
        return self._part("head", self._part("host", image))

    def _part(self, part: str, x: Any) -> Any:
        module = self.get_submodule(part)
        if self.semantics is Semantics.PROJECTION or not self.masks:
            return module(x)
        masked = {name: module.get_parameter(name) * mask for name, mask in part_masks(self.masks, part).items()}
        return functional_call(module, masked, (x,)) if masked else module(x)

    def weights(self) -> dict[str, nn.Parameter]:
        """All prunable weights, whatever their part."""
        return {name: w for weights in self.prunable().values() for name, w in weights.items()}

    def prunable(self) -> dict[str, dict[str, nn.Parameter]]:
        """Prunable weights by part: the host's, and the head's apart where it holds search blocks."""
        parts = {"host": {f"host.{name}": w for name, w in prunable(self.host).items()}}
        if search_blocks(self.head):
            parts["head"] = {
                f"head.{name}": w for name, w in prunable(self.head).items() if not name.startswith("predict.")
            }
        return parts


def part_masks(masks: Masks, part: str) -> Masks:
    """The masks of one part, named as seen from that part."""
    prefix = f"{part}."
    return {name.removeprefix(prefix): mask for name, mask in masks.items() if name.startswith(prefix)}
