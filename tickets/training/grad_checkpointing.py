"""Maps inside blocks that are computed again in the backward pass, and not kept until then: less memory for more time.

Known as activation checkpointing (T. Chen et al., arXiv 1604.06174). The second pass has the weights, the mode, the
random numbers and the precision of the first and moves no statistics of batch norms, so that results are the same. No
method asks for it, so its MACs are no cost of one: records tell that it was so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from tickets.pruning.masks import prunable
from tickets.training import ranks

LAYERS = 2
"""Prunable layers that a block has at least; between fewer there is no map that need not be kept."""
_is_on = False


@contextmanager
def using(is_on: bool) -> Iterator[None]:
    """Have trainings of this process compute maps inside blocks twice, for as long as the body runs."""
    global _is_on
    before, _is_on = _is_on, is_on
    try:
        yield
    finally:
        _is_on = before


def blocks(network: nn.Module) -> dict[str, nn.Module]:
    """The blocks whose inner maps are computed again, by name; none unless that is asked for.

    They are the smallest members of lists, dicts and sequences of modules that hold `LAYERS` prunable layers or more,
    as the residual blocks of most networks are.
    """
    if not _is_on:
        return {}
    members = {
        f"{place}.{name}" if place else name
        for place, parent in network.named_modules()
        if isinstance(parent, nn.Sequential | nn.ModuleList | nn.ModuleDict)
        for name, _ in parent.named_children()
    }
    large = [name for name in sorted(members) if len(prunable(network.get_submodule(name))) >= LAYERS]
    smallest = [name for name in large if not any(other.startswith(f"{name}.") for other in large)]
    return {name: network.get_submodule(name) for name in smallest}


@contextmanager
def within(blocks: Mapping[str, nn.Module]) -> Iterator[None]:
    """Have these blocks keep nothing but what they are given in forward passes of the body."""
    own = {block: block.__dict__.get("forward") for block in blocks.values()}
    for block in own:
        block.forward = partial(_twice, block, block.forward)
    try:
        yield
    finally:
        for block, forward in own.items():
            del block.forward
            if forward is not None:
                block.forward = forward


def _twice(block: nn.Module, forward: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """A forward pass whose inner maps are computed again when gradients are wanted of them."""
    if not torch.is_grad_enabled():
        return forward(*args, **named)
    held: dict[str, Tensor] = dict(block.named_parameters())  # masked ones may be in their places for this pass alone
    twin = copy.copy(block)  # with what else the block holds for this pass, as gates of its units
    del twin.forward
    is_first = True

    def run(*args: Any) -> Any:
        nonlocal is_first
        if is_first:
            is_first = False
            return forward(*args, **named)
        buffers = {name: buffer.clone() for name, buffer in twin.named_buffers()}
        return functional_call(twin, held | buffers, args, named)

    return checkpoint(run, *args, use_reentrant=False, context_fn=lambda: (nullcontext(), ranks.norms()))
