"""RMSprop as the released code of SuperTickets has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch

SHARE = 0.9
"""What of the mean square, and of the momentum buffer, a step keeps."""


class ReleasedRMSprop(torch.optim.Optimizer):
    """Mean square s from 0, buffer b = 0.9 b + g / sqrt(s + eps), step -rate x b (AtomNAS, arXiv 1912.09640).

    TensorFlow's, timm's `RMSpropTF`, starts s at 1 and keeps the rate in the buffer: its first steps are a hundredth as
    long where gradients are small, and a change of the rate reaches the weights only as the buffer forgets.

    Args:
        groups: of parameters, each with its `weight_decay`, which is added to the gradient.
        lr: the learning rate.
        eps: inside the root.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, eps: float) -> None:
        super().__init__(groups, {"lr": lr, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step; parameters without a gradient stay. No closure is called."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if not moved:
                continue
            states = [self.state[p] for p in moved]
            for p, state in zip(moved, states, strict=True):
                for name in ("square_avg", "momentum_buffer"):
                    state.setdefault(name, torch.zeros_like(p))
            squares, buffers = ([state[name] for state in states] for name in ("square_avg", "momentum_buffer"))
            gradients = [cast(torch.Tensor, p.grad) for p in moved]
            if group["weight_decay"]:
                gradients = list(torch._foreach_add(gradients, moved, alpha=group["weight_decay"]))
            torch._foreach_mul_(squares, SHARE)
            torch._foreach_addcmul_(squares, gradients, gradients, value=1 - SHARE)
            roots = torch._foreach_add(squares, group["eps"])
            torch._foreach_sqrt_(roots)
            torch._foreach_mul_(buffers, SHARE)
            torch._foreach_addcdiv_(buffers, gradients, roots)
            torch._foreach_add_(moved, buffers, alpha=-group["lr"])
