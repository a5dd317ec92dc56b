"""Masks that last: a module that keeps its zeros whoever trains, copies, saves or moves it.

A ticket's plain module holds zeros and no masks: the first step of somebody else's optimiser fills them. Here the
masks become part of the module, in a form of PyTorch's own, so that every reader of a weight gets the masked one:
layers, the search blocks that kernels of our own compute, and whatever walks the module.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune

from tickets.errors import unknown
from tickets.pruning.masks import Masks, prunable

Form = Literal["parametrize", "prune"]
Module = TypeVar("Module", bound=nn.Module)
FORMS: tuple[Form, ...] = ("parametrize", "prune")
"""`torch.nn.utils.parametrize`, and `torch.nn.utils.prune`, whose masked weight is only as new as the last pass."""


class Kept(nn.Module):
    """A weight where its mask keeps it, and zero elsewhere, whatever value lies below.

    Its state is called as `torch.ao.pruning` calls it: `parametrizations.weight.original` and
    `parametrizations.weight.0.mask`.

    Args:
        mask: boolean, shaped like the weight; True is kept. Copied.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask.detach().bool().clone())

    def forward(self, weight: Tensor) -> Tensor:
        """The masked weight; what is masked gets no gradient, and may be anything, NaN included."""
        return torch.where(self.mask, weight, 0)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What lies below where a weight is assigned: that weight."""
        return weight


def lasting(module: Module, masks: Mapping[str, Tensor] | None = None, form: Form = "parametrize") -> Module:
    """Put masks into a module, in place.

    Args:
        module: plain, of any kind; its masked weights need not be zero.
        masks: by weight name, True is kept; None for those that its zeros make, of every convolution and linear layer.
        form: "parametrize", or "prune" for `torch.nn.utils.prune`.

    Returns:
        The same module.

    Raises:
        UserError: there is no such form.

    Example:
        >>> layer = lasting(nn.Linear(2, 1, bias=False), {"weight": torch.tensor([[True, False]])})
        >>> layer.weight = torch.tensor([[5.0, 7.0]])
        >>> layer.weight.tolist()
        [[5.0, 0.0]]
    """
    if form not in FORMS:
        raise unknown("form of masks", str(form), FORMS)
    found = zeros(module) if masks is None else masks
    for name, mask in found.items():
        layer, weight = _owner(module, name)
        if form == "parametrize":
            parametrize.register_parametrization(layer, weight, Kept(mask.to(getattr(layer, weight).device)))
            cast("nn.ModuleDict", layer.parametrizations).train(layer.training)
        else:
            prune.custom_from_mask(layer, weight, mask)
    if form == "prune":
        _let_go(module, None, None)
        module.register_forward_pre_hook(_refresh)
        module.register_forward_hook(_let_go)
    return module


def zeros(module: nn.Module) -> Masks:
    """The masks that a module's zeros make, of every convolution and linear layer."""
    return {name: weight.detach() != 0 for name, weight in prunable(module).items()}


def masks_of(module: nn.Module) -> Masks:
    """The masks that a module holds in either form, by weight name; empty for a plain one."""
    found = {}
    for layer, weight, kept in _parametrized(module):
        found[_named(module, layer, weight)] = kept.mask.clone()
    for layer, method in _pruned(module):
        weight = method._tensor_name
        found[_named(module, layer, weight)] = layer.get_buffer(f"{weight}_mask").bool()
    return found


def bake(module: Module) -> Module:
    """Make a module plain again, in place: zeros where the masks were, and the masks gone.

    Args:
        module: with masks of either form, or of none, which stays as it is.

    Returns:
        The same module; its weights are parameters under their own names.
    """
    for layer, weight, _ in list(_parametrized(module)):
        _own_class(layer)
        parametrize.remove_parametrizations(layer, weight, leave_parametrized=True)
    for layer, method in list(_pruned(module)):
        prune.remove(layer, method._tensor_name)
    for hooks in (module._forward_pre_hooks, module._forward_hooks):
        for key in [key for key, hook in hooks.items() if hook in (_refresh, _let_go)]:
            del hooks[key]
    return module


def plain(module: Module) -> Module:
    """A module without masks: itself where it holds none, else a baked copy."""
    return bake(copy.deepcopy(module)) if masks_of(module) else module


def _parametrized(module: nn.Module) -> Iterator[tuple[nn.Module, str, Kept]]:
    """(layer, name of its weight, mask) of everything that holds a mask as a parametrisation."""
    for layer in module.modules():
        for name, chain in cast("Mapping[str, Any]", getattr(layer, "parametrizations", {})).items():
            yield from ((layer, name, one) for one in chain if isinstance(one, Kept))


def _own_class(layer: nn.Module) -> None:
    """Part a layer from its copies, which share the class that PyTorch takes the weight's property off."""
    shared = type(layer)
    layer.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))


def _pruned(module: nn.Module) -> Iterator[tuple[nn.Module, Any]]:
    """(layer, pruning method) of everything that `torch.nn.utils.prune` has masked."""
    for layer in module.modules():
        for hook in list(layer._forward_pre_hooks.values()):
            if isinstance(hook, prune.BasePruningMethod):
                yield layer, hook


def _refresh(module: nn.Module, given: Any) -> None:
    """Before a pass: masked weights as new as the optimiser's last step, also of layers that are never called."""
    for layer, method in _pruned(module):
        method(layer, None)


def _let_go(module: nn.Module, given: Any, out: Any) -> None:
    """After a pass: masked weights without their graph, which could not be copied."""
    for layer, method in _pruned(module):
        setattr(layer, method._tensor_name, getattr(layer, method._tensor_name).detach())


def _owner(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    where, _, weight = name.rpartition(".")
    return module.get_submodule(where), weight


def _named(module: nn.Module, layer: nn.Module, weight: str) -> str:
    where = next(name for name, one in module.named_modules() if one is layer)
    return f"{where}.{weight}" if where else weight
