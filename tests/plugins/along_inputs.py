"""Pattern: 2 of 4 weights stay, along input channels as sparse tensor cores read them (arXiv 2104.08378)."""

from dataclasses import dataclass
from math import prod

import torch

from tickets import Share, UserError


@dataclass(frozen=True)
class AlongInputs(Share):
    """A group is 4 neighbouring input channels of one output at one kernel position.

    Where those are no multiple of 4, as in a first or a depthwise convolution, it is 4 neighbouring outputs instead,
    which no hardware makes use of; where neither are, the host is refused.
    """

    counts = 2, 4

    def grouping(self, name, shape):
        axis = next((axis for axis in (1, 0) if shape[axis] % 4 == 0), None)
        if axis is None:
            raise UserError(
                f"the pattern along_inputs does not divide '{name}': neither {shape[1]} inputs nor {shape[0]} outputs "
                "are a multiple of 4; choose another pattern, or another host."
            )
        return torch.arange(prod(shape)).view(*shape).movedim(axis, -1).reshape(-1, 4)
