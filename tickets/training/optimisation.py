"""What moves the weights: the optimiser and the schedules of its learning rate, by `Settings`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from mmengine.optim import LinearLR, MultiStepLR, OneCycleLR, StepLR

if TYPE_CHECKING:
    from mmengine.optim.scheduler.param_scheduler import _ParamScheduler as Scheduler

    from tickets.training.network import Network
    from tickets.training.settings import Settings

POSITION = ("last_step", "_global_step")  # the rest of a scheduler's state is functions and settings


def optimizer(network: Network, settings: Settings) -> torch.optim.Optimizer:
    """Adam or RMSprop with L2 on weights of two or more dimensions; biases and batch norms come last, without.

    The weight decay is added to the gradient, which is that of wd/2 |w|^2, the explicit L2 term of the released code.
    """
    parts = (network.host, network.head)
    parameters = [p for part in parts for p in part.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings.weight_decay},
        *network.masking.groups(settings),
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if settings.optimizer == "rmsprop":
        from timm.optim.rmsprop_tf import RMSpropTF  # only here: importing timm takes a second

        return RMSpropTF(groups, lr=settings.learning_rate, alpha=0.9, momentum=0.9, eps=settings.eps)
    return torch.optim.Adam(groups, lr=settings.learning_rate, eps=settings.eps, fused=True)


class Schedule:
    """The learning rate's schedules, moved together, forwards only.

    Args:
        optimizer: whose learning rates they set; those of its groups are the peaks.
        settings: which, and how long.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, settings: Settings) -> None:
        steps = settings.steps
        self.parts: list[Scheduler] = []
        if settings.schedule == "onecycle":
            peaks = [group["lr"] for group in optimizer.param_groups]
            self.parts.append(OneCycleLR(optimizer, eta_max=peaks, total_steps=steps + 1))
        elif settings.schedule == "staircase":
            self.parts.append(StepLR(optimizer, max(1, round(settings.falls[0] * steps)), settings.decay))
        else:
            falls = [max(1, round(fall * steps)) for fall in settings.falls]
            self.parts.append(MultiStepLR(optimizer, falls, settings.decay))
        if settings.warmup:
            self.parts.append(LinearLR(optimizer, 0.5, end=max(1, round(settings.warmup * steps)) + 1))

    def advance(self, step: int) -> None:
        """Bring the learning rate to this step."""
        with warnings.catch_warnings():  # steps before a training's first one were another training's
            warnings.simplefilter("ignore", UserWarning)
            while self.parts[0].last_step < step:
                for part in self.parts:
                    part.step()

    def state_dict(self) -> list[dict[str, int]]:
        """Where the schedules stand; plain values."""
        return [{key: part.state_dict()[key] for key in POSITION} for part in self.parts]

    def load_state_dict(self, state: list[dict[str, int]]) -> None:
        """Go on from `state_dict`; the optimiser's groups carry the learning rate."""
        for part, position in zip(self.parts, state, strict=True):
            part.load_state_dict(position)
