"""Host and head in one module, with the masks that are in force."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from tickets.hosts.base import latent_of
from tickets.pruning.masks import Masks, project, prunable
from tickets.search.searchable import search_blocks
from tickets.training.masking import Masking, Projection


class Ends(nn.Module):
    """A head round a host that takes latents: one end before it and one behind it.

    Args:
        entrance: maps images (B, 3, H, W) to the latents that the host is given, and whatever the exit needs beside.
        exit: maps the host's maps and that to outputs.
        pruned: the part of it that is pruned, apart from the host, as in "exit.discriminator"; empty for none.
    """

    def __init__(self, entrance: nn.Module, exit: nn.Module, pruned: str = "") -> None:
        super().__init__()
        self.entrance, self.exit, self.pruned = entrance, exit, pruned


class Network(nn.Module):
    """A host with a task's head; (B, 3, H, W) -> the head's outputs.

    Args:
        host: maps images to a list of feature maps.
        head: maps that list to outputs; its layer called `predict` is never pruned. Round a host that takes latents
            it has two ends, `Ends`.
        masks: by weight name as seen from here ("host.stem.0.weight"); weights without one are dense.
        masking: what a mask does; None for `Projection`, under which the training loop zeroes weights.
    """

    def __init__(
        self, host: nn.Module, head: nn.Module, masks: Masks | None = None, masking: Masking | None = None
    ) -> None:
        super().__init__()
        self.host, self.head = host, head
        self.masks: Masks = dict(masks or {})
        self.masking = masking or Projection()

    def forward(self, image: Tensor) -> Any:
        """Run host and head, with what the masking makes of every masked weight."""
        return self.both(image)[1]

    def both(self, image: Tensor) -> tuple[list[Tensor], Any]:
        """The host's maps, and the head's outputs."""
        if latent_of(self.host) is None:
            maps = self._part("host", image)
            return maps, self._part("head", maps)
        latent, aside = self._part("head.entrance", image)
        maps = self._part("host", latent)
        return maps, self._part("head.exit", maps, aside)

    def _part(self, part: str, *given: Any) -> Any:
        module = self.get_submodule(part)
        if not self.masking.replaces or not self.masks:
            return module(*given)
        masked = {
            name: self.masking.weight(f"{part}.{name}", module.get_parameter(name), mask)
            for name, mask in part_masks(self.masks, part).items()
        }
        return functional_call(module, masked, given) if masked else module(*given)

    def weights(self) -> dict[str, nn.Parameter]:
        """All prunable weights, whatever their part."""
        return {name: w for weights in self.prunable().values() for name, w in weights.items()}

    def prunable(self) -> dict[str, dict[str, nn.Parameter]]:
        """Prunable weights by part: the host's, and the head's apart where it holds search blocks or says so."""
        parts = {"host": {f"host.{name}": w for name, w in prunable(self.host).items()}}
        if part := getattr(self.head, "pruned", ""):
            weights = prunable(self.head.get_submodule(part))
            parts["head"] = {f"head.{part}.{name}": w for name, w in weights.items()}
        elif search_blocks(self.head):
            parts["head"] = {
                f"head.{name}": w for name, w in prunable(self.head).items() if not name.startswith("predict.")
            }
        return parts

    def effective(self) -> Network:
        """A dense copy that holds m*w, in eval mode, of which the prunable weights alone want gradients."""
        twin = Network(copy.deepcopy(self.host), copy.deepcopy(self.head)).eval().requires_grad_(False)
        project(twin, self.masks)
        for weight in twin.weights().values():
            weight.requires_grad_()
        return twin

    def trains(self, layer: str) -> bool:
        """Whether a gradient is wanted with respect to the weight of a layer."""
        return self.get_parameter(f"{layer}.weight").requires_grad or self.masking.trains(f"{layer}.weight")


def part_masks(masks: Masks, part: str) -> Masks:
    """The masks of one part, named as seen from that part."""
    prefix = f"{part}."
    return {name.removeprefix(prefix): mask for name, mask in masks.items() if name.startswith(prefix)}
