"""A search block by native kernels, differentiable; the same function as PyTorch's, sums reordered."""

from __future__ import annotations

import ctypes
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.func import functional_call

from tickets.hosts.native import library, serving
from tickets.hosts.native.call import Call
from tickets.hosts.native.force import Force, using
from tickets.hosts.native.library import KERNELS, WEIGHTS, Job, Tensors
from tickets.hosts.native.processor import TORCH
from tickets.pruning.lasting import plain

if TYPE_CHECKING:
    from tickets.hosts.blocks import SearchBlock

IDENTITY, CONVOLUTION = 1, 2
"""Kinds of skips, as kernels/shape.h numbers them."""


def serves(block: SearchBlock, x: Tensor) -> bool:
    """Whether the kernels compute what a block with units is asked for."""
    return serving.serves(_norms(block), block.modules(), x)


def _norms(block: SearchBlock) -> tuple[nn.BatchNorm2d, nn.BatchNorm2d, nn.BatchNorm2d]:
    return block.expand_bn, block.depthwise_bn, block.project_bn


def run(block: SearchBlock, x: Tensor, force: Force) -> Tensor:
    """What `block(x)` returns; statistics of batch norms in training are moved.

    Args:
        block: `serves` must allow it.
        x: (B, in, H, W), float32 or float64.
        force: which kernels.

    Returns:
        (B, out, H/stride, W/stride), channels_last.
    """
    norms = _norms(block)
    serving.count(norms)
    skip = block.skip if isinstance(block.skip, nn.Conv2d) else None
    kernels = block.kernels
    call = _planned(
        (*(x.shape[i] for i in (0, 2, 3)), block.width_in, block.width_out, block.stride, force.threads),
        (CONVOLUTION if skip else IDENTITY, skip.groups if skip else 0, not norms[0].training),
        tuple(kernels[str(k)].out_channels if str(k) in kernels else 0 for k in KERNELS),
        tuple(norm.eps for norm in norms),
        tuple(serving.momentum(norm) for norm in norms),
        force.kind,
        serving.REALS[x.dtype],
    )
    running = [t for norm in norms for t in (norm.running_mean, norm.running_var)]
    weights = (
        block.expand.weight, block.expand_bn.weight, block.expand_bn.bias,
        *(kernels[str(k)].weight if str(k) in kernels else None for k in KERNELS),
        block.depthwise_bn.weight, block.depthwise_bn.bias, block.project.weight,
        block.project_bn.weight, block.project_bn.bias, skip.weight if skip else None,
    )  # fmt: skip
    return call.run(partial(_by_torch, block), x, weights, running)


@lru_cache(1024)
def _planned(
    sizes: tuple[int, ...],
    rest: tuple[int, ...],
    units: tuple[int, ...],
    eps: tuple[float, ...],
    momentum: tuple[float, ...],
    kind: str,
    real: str,
) -> Call:
    three, doubles = ctypes.c_int64 * 3, ctypes.c_double * 3
    job = Job(*sizes, *rest, three(*units), doubles(*eps), doubles(*momentum))
    return Call(library.load(kind, real), "block", job, Tensors, WEIGHTS, ("z", "o"))


def _by_torch(block: SearchBlock, x: Tensor, *weights: Tensor | None) -> Tensor:
    """What PyTorch computes; the block's statistics stay."""
    given = {name: weight for name, weight in zip(_names(), weights, strict=True) if weight is not None}
    block = plain(block)  # the weights given are masked
    buffers = {name: buffer.clone() for name, buffer in block.named_buffers()}
    with using(TORCH):
        out: Tensor = functional_call(block, {**given, **buffers}, (x,))
    return out


def _names() -> list[str]:
    """The parameters of a block in the order of `WEIGHTS`; of kernel sizes that it lacks, too."""
    return [
        "expand.weight", "expand_bn.weight", "expand_bn.bias", *(f"depthwise.{k}.weight" for k in KERNELS),
        "depthwise_bn.weight", "depthwise_bn.bias", "project.weight", "project_bn.weight", "project_bn.bias",
        "skip.weight",
    ]  # fmt: skip
