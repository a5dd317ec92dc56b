"""Networks that predict together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from tickets.pruning.masks import Masks

PART = "networks"


class Ensemble(nn.Module):
    """Several networks of one task; (B, 3, H, W) -> their outputs, merged.

    Args:
        networks: each maps images to outputs.
        merge: makes one prediction of one of each, as the task has it (`Source.merge`).
    """

    def __init__(self, networks: Sequence[nn.Module], merge: Callable[[list[Any]], Any]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.merge = merge

    def forward(self, image: Tensor) -> Any:
        """Run all networks."""
        return self.merge([network(image) for network in self.networks])

    @staticmethod
    def named(masks: Sequence[Masks]) -> Masks:
        """The networks' masks, in their order, under the names that weights have in the ensemble."""
        return {f"networks.{number}.{name}": mask for number, of in enumerate(masks) for name, mask in of.items()}


def parts_of(network: nn.Module) -> list[nn.Module]:
    """The networks of an ensemble, or a network alone."""
    return list(network.networks) if isinstance(network, Ensemble) else [network]
