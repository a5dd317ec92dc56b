"""What moves the weights: the optimiser, by `Settings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tickets.training.rmsprop import ReleasedRMSprop

if TYPE_CHECKING:
    from tickets.training.network import Network
    from tickets.training.settings import Settings


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
    if settings.optimizer == "rmsprop/as_released":
        return ReleasedRMSprop(groups, settings.learning_rate, settings.eps)
    betas = (settings.beta, 0.999)
    return torch.optim.Adam(groups, lr=settings.learning_rate, betas=betas, eps=settings.eps, fused=True)
