"""Augmentation of whole batches; one generator decides it, so any number of processes gives the same bits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.data.samples import IGNORED
from tickets.source import MEAN, STD


def normalise(image: Tensor) -> Tensor:
    """RGB in [0, 255] -> ImageNet-normalised float32: (image / 255 - MEAN) / STD.

    Args:
        image: uint8 or float (B, 3, H, W); not modified.

    Returns:
        float32 (B, 3, H, W).
    """
    mean, std = (torch.tensor(v, device=image.device).view(3, 1, 1) for v in (MEAN, STD))
    return torch.addcmul(-mean / std, image.float(), 1 / (255 * std))


def denormalise(image: Tensor) -> Tensor:
    """The inverse of `normalise`, rounded: float (B, 3, H, W) -> uint8 (B, 3, H, W), for pictures."""
    mean, std = (torch.tensor(v, device=image.device).view(3, 1, 1) for v in (MEAN, STD))
    return ((image * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)


def jitter(image: Tensor, generator: torch.Generator, brightness: float = 0.2, contrast: float = 0.2) -> Tensor:
    """Scale the contrast of each image about its mean, and its brightness, by random factors.

    Args:
        image: uint8 or float (B, 3, H, W) in [0, 255]; not modified.
        generator: two numbers a sample are drawn from it.
        brightness: in [0, 1); the factor is uniform in 1 - brightness .. 1 + brightness.
        contrast: in [0, 1), likewise.

    Returns:
        float32 (B, 3, H, W), clipped to [0, 255].
    """
    draw = torch.rand(len(image), 2, generator=generator, device=generator.device).to(image.device) * 2 - 1
    light, spread = (1 + draw * draw.new_tensor([brightness, contrast]))[..., None, None, None].unbind(1)
    image = image.float()
    mean = image.mean((1, 2, 3), keepdim=True)
    return torch.addcmul(light * mean * (1 - spread), image, light * spread).clamp_(0, 255)


def mirrored(image: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left and right with probability 1/2, exactly.

    Args:
        image: (B, 3, H, W) of any type; not modified.
        generator: one number a sample is drawn from it.
    """
    draw = torch.rand(len(image), generator=generator, device=generator.device).to(image.device)
    return torch.where((draw < 0.5).view(-1, 1, 1, 1), image.flip(3), image)


def affine(
    image: Tensor,
    generator: torch.Generator,
    *,
    flip: bool = True,
    scale: tuple[float, float] = (1.0, 1.0),
    rotate_deg: float = 0.0,
    translate: float = 0.0,
    label: Tensor | None = None,
    keypoints: Tensor | None = None,
    visible: Tensor | None = None,
    flip_pairs: Sequence[tuple[int, int]] = (),
) -> dict[str, Tensor]:
    """Flip, scale, rotate and shift each image about its centre by random amounts, its truth with it.

    Args:
        image: uint8 or float (B, 3, H, W); sampled bilinearly, its border repeated outside. Not modified.
        generator: five numbers a sample are drawn from it, whichever of the options are on.
        flip: mirror left and right with probability 1/2.
        scale: (lo, hi), positive; the magnification is log-uniform between them, above 1 enlarging.
        rotate_deg: the angle is uniform in -rotate_deg .. rotate_deg degrees.
        translate: the shift is uniform in -translate .. translate of the width, and of the height.
        label: integer (B, h, w), of the image's size or another size covering the same field; sampled at the
            nearest pixel, 255 outside.
        keypoints: float (B, K, 2): x, y in pixels of the image, pixel centres at integers; mapped exactly.
        visible: bool (B, K); becomes False where the point leaves the image, [-0.5, W - 0.5) x [-0.5, H -
            0.5).
        flip_pairs: (left, right) indices of the K joints that a mirror exchanges.

    Returns:
        {"image": float32 (B, 3, H, W)} and of `label` (int64), `keypoints` (float32), `visible` those given;
        with keypoints also {"scale": float32 (B,)}, the factor by which lengths grew.
    """
    height, width = image.shape[-2:]
    draw = torch.rand(len(image), 5, generator=generator, device=generator.device).to(image.device, torch.float32)
    mirrored = (draw[:, 0] < 0.5) & flip
    size = torch.exp(math.log(scale[0]) + draw[:, 1] * math.log(scale[1] / scale[0]))
    forward = _matrix(mirrored, size, (2 * draw[:, 2] - 1) * math.radians(rotate_deg))
    extent = image.new_tensor([width, height], dtype=torch.float32)
    shift = (2 * draw[:, 3:] - 1) * translate * extent
    backward = torch.linalg.inv(forward)
    # pixels about the centre = [-1, 1] coordinates * extent / 2
    theta = torch.cat([backward * extent / extent[:, None], -(backward @ shift[..., None]) * 2 / extent[:, None]], 2)
    result = {"image": _sample(image, theta, "bilinear", "border")}
    if label is not None:
        offset = (label - IGNORED) if label.is_signed() else (label.long() - IGNORED)
        result["label"] = _sample(offset[:, None], theta, "nearest", "zeros")[:, 0].round().long() + IGNORED
    if keypoints is not None:
        centre = (extent - 1) / 2
        points = (keypoints.float() - centre) @ forward.mT + shift[:, None] + centre
        result["keypoints"] = _exchange(points, mirrored, flip_pairs)
        result["scale"] = size
        if visible is not None:
            inside = ((points >= -0.5) & (points < extent - 0.5)).all(2)
            result["visible"] = _exchange(visible & inside, mirrored, flip_pairs)
    return result


def _matrix(mirrored: Tensor, size: Tensor, angle: Tensor) -> Tensor:
    """(B, 2, 2) of x, y: mirror x, then rotate, then magnify."""
    cos, sin = size * angle.cos(), size * angle.sin()
    sign = 1.0 - 2.0 * mirrored
    return torch.stack([sign * cos, -sin, sign * sin, cos], 1).view(-1, 2, 2)


def _sample(values: Tensor, theta: Tensor, mode: str, padding: str) -> Tensor:
    """Values (B, C, h, w) at the places theta (B, 2, 3) takes each pixel from, float32."""
    grid = F.affine_grid(theta, list(values.shape), align_corners=False)
    return F.grid_sample(values.float(), grid, mode=mode, padding_mode=padding, align_corners=False)


def _exchange(values: Tensor, mirrored: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    """Values (B, K, ...) with the joints of each pair exchanged in the mirrored samples."""
    order = list(range(values.shape[1]))
    for left, right in pairs:
        order[left], order[right] = right, left
    return torch.where(mirrored.view(-1, *[1] * (values.dim() - 1)), values[:, order], values)
