"""Several networks' logits as those of the mixture of what they predict."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def mixture(logits: Sequence[Tensor], over: int) -> Tensor:
    """The logarithm of the mean probabilities: normalised logits, whose softmax is the mean of the softmaxes.

    Args:
        logits: of each network, of one shape; not modified.
        over: the dimension that probabilities sum to 1 over.

    Returns:
        float32, of that shape.

    Example:
        >>> from math import log
        >>> one, other = torch.tensor([[log(3.0), 0.0]]), torch.tensor([[0.0, log(3.0)]])
        >>> mixture([one, other], 1).exp()
        tensor([[0.5000, 0.5000]])
    """
    each = torch.stack([one.float().log_softmax(over) for one in logits])
    return each.logsumexp(0) - math.log(len(logits))
