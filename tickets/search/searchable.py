"""What a block must answer so that its hidden units can be searched, whatever host it stands in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

Units = Mapping[int, int]
"""Live hidden units per branch of a block, as by kernel size in {3: 96, 5: 96, 7: 96}."""

Tensors = Callable[[str], Tensor]
"""A tensor of a block by its own name for it: of the network, or of its average; masked weights at zero."""


@dataclass(frozen=True)
class Cut:
    """How one tensor of a block changes when units die: keep `index` along `dim`, or drop it whole."""

    dim: int
    index: Tensor


class Searchable(nn.Module):
    """A block of hidden units in branches, each unit with a scale gamma that a penalty drives to zero.

    Its constructor's `units` (branch -> number) rebuild what a search left; units are ordered by branch.
    """

    gamma_name: ClassVar[str]
    """The block's own name for the parameter that holds gamma."""
    last: ClassVar[tuple[str, ...]] = ()
    """Its parameters and buffers that go when no unit is left and that `cuts` does not name."""

    @property
    @abstractmethod
    def units(self) -> dict[int, int]:
        """Live units per branch; empty for a dead block."""

    @property
    def gamma(self) -> Tensor:
        """The scales, (units,): a unit's importance is its size."""
        return self.get_parameter(self.gamma_name)

    @abstractmethod
    def unit_macs(self, macs: Mapping[str, int]) -> dict[int, float]:
        """MACs that one unit of each branch takes part in.

        Args:
            macs: of the block's layers for one image, by its own names for them.
        """

    @abstractmethod
    def cuts(self, live: Tensor) -> dict[str, Cut]:
        """How each tensor is sliced when only the `live` units stay.

        Args:
            live: boolean, (units,), in the block's order.

        Returns:
            Tensor name -> `Cut`, for parameters and buffers that depend on the units.
        """

    @abstractmethod
    def fold(self, tensor: Tensors, dead: Tensor) -> None:
        """Take off, in place, what the dead units emit with gamma at zero, so that cutting them is exact.

        Args:
            tensor: gives the block's tensors; what is changed is a buffer or parameter that has no mask.
            dead: boolean, (units,).
        """

    @abstractmethod
    def constants(self, tensor: Tensors) -> dict[str, Tensor]:
        """What a block without any unit computes with instead: parameter name -> value, all `fold` done."""

    @abstractmethod
    def conform(self, units: Units) -> None:
        """Make the modules' own numbers agree with tensors that were sliced to `units`; those of none are deleted."""


def search_blocks(module: nn.Module) -> dict[str, Searchable]:
    """The searchable blocks of a network by name, in order of definition."""
    return {name: block for name, block in module.named_modules() if isinstance(block, Searchable)}


def live_units(module: nn.Module) -> dict[str, dict[int, int]]:
    """Live units per searchable block: the architecture that the search left."""
    return {name: block.units for name, block in search_blocks(module).items()}
