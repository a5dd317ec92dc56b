"""Whether native kernels compute what some modules are asked for; elsewhere PyTorch does."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

REALS = {torch.float32: "f32", torch.float64: "f64"}


def serves(norms: Iterable[nn.BatchNorm2d], inner: Iterable[nn.Module], x: Tensor) -> bool:
    """Whether it is training, or evaluation that no gradient is wanted of, on plain tensors of the CPU.

    Args:
        norms: the batch norms inside; all must be in one mode, keep statistics, and be no others put in their place.
        inner: modules whose hooks the kernels would not call in evaluation, so that there must be none.
        x: the input.
    """
    norms = tuple(norms)
    if not all(type(norm) is nn.BatchNorm2d and norm.running_mean is not None for norm in norms):
        return False
    modes = {norm.training for norm in norms}
    return (
        type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype in REALS
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and (modes == {True} or (modes == {False} and not torch.is_grad_enabled() and not _are_hooked(inner)))
    )


def _are_hooked(modules: Iterable[nn.Module]) -> bool:
    return any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in modules)


def count(norms: Iterable[nn.BatchNorm2d]) -> None:
    """Count a batch of training, as PyTorch's batch norms do."""
    counts = [norm.num_batches_tracked for norm in norms if norm.training and norm.num_batches_tracked is not None]
    if counts:
        torch._foreach_add_(counts, 1)


def momentum(norm: nn.BatchNorm2d) -> float:
    """Of one update; without a momentum the average over all batches so far, this one counted."""
    return 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum  # type: ignore[arg-type]
