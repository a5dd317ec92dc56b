"""A layer of a stem (convolution 3x3 of stride 2 - BN - ReLU) by native kernels, differentiable."""

from __future__ import annotations

from functools import lru_cache, partial

import torch.nn.functional as F
from torch import Tensor, nn

from tickets.hosts.native import library, serving
from tickets.hosts.native.call import Call
from tickets.hosts.native.force import Force
from tickets.hosts.native.library import STEM_WEIGHTS, StemJob, StemTensors


def serves(conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor) -> bool:
    """Whether the kernels compute what a layer is asked for."""
    return serving.serves((norm,), (conv, norm), x)


def run(conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor, force: Force) -> Tensor:
    """What `relu(norm(conv(x)))` returns; statistics in training are moved.

    Args:
        conv: 3x3, stride 2, padding 1, without bias; `serves` must allow it.
        norm: of its output.
        x: (B, in, H, W), float32 or float64.
        force: which kernels.

    Returns:
        (B, out, H/2, W/2), channels_last.
    """
    serving.count((norm,))
    call = _planned(
        (*(x.shape[i] for i in (0, 2, 3)), conv.in_channels, conv.out_channels, force.threads),
        (not norm.training, x.requires_grad),
        (norm.eps, serving.momentum(norm)),
        force.kind,
        serving.REALS[x.dtype],
    )
    weights, running = (conv.weight, norm.weight, norm.bias), (norm.running_mean, norm.running_var)
    return call.run(partial(_by_torch, norm.eps), x, weights, running)


@lru_cache(256)
def _planned(sizes: tuple[int, ...], rest: tuple[bool, bool], norm: tuple[float, float], kind: str, real: str) -> Call:
    return Call(library.load(kind, real), "stem", StemJob(*sizes, *rest, *norm), StemTensors, STEM_WEIGHTS, ("y",))


def _by_torch(eps: float, x: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """The layer in training, without statistics."""
    return F.relu(F.batch_norm(F.conv2d(x, weight, None, 2, 1), None, None, gamma, beta, True, eps=eps))
