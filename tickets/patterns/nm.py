"""Pattern: n of every m weights stay, as sparse tensor cores want them (Mishra et al., arXiv 2104.08378)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tickets.errors import UserError
from tickets.patterns.base import Share


@dataclass(frozen=True)
class NofM(Share):
    """Of every m consecutive weights n stay, the weight read with its input channels last.

    In layers of a multiple of m input channels a group lies along them, as hardware needs it; in others, as depthwise
    ones, a group may join kernel positions or outputs, which no hardware uses.

    Args:
        n: weights of a group that stay, at least 1 and below m.
        m: weights of a group, at least 2.
    """

    n: int = 2
    m: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.n < self.m:
            raise UserError(f"n is {self.n} and m is {self.m}; n of m weights stay, with 1 <= n < m")

    @property
    def counts(self) -> tuple[int, int]:
        """(n, m)."""
        return self.n, self.m

    def grouping(self, name: str, shape: Sequence[int]) -> Tensor:
        """(weights / m, m)."""
        count = math.prod(shape)
        if count % self.m:
            raise UserError(
                f"the pattern {self.n}:{self.m} does not divide '{name}', whose {count} weights (shape {list(shape)}) "
                f"are no multiple of {self.m}; choose another pattern, or another host."
            )
        return torch.arange(count).view(*shape).movedim(1, -1).reshape(-1, self.m)
