"""A network as a graph of layers, for whatever PyTorch's tracer can follow: norms folded, nothing idle in it."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils import skip_init

from tickets.deploy.folding import affine, normed

IDLE = (nn.Identity, nn.Dropout, nn.Dropout2d)
"""Modules that hand on what they are given, in eval mode."""


def traced(network: nn.Module) -> fx.GraphModule | None:
    """The graph of a network in eval mode.

    Its nodes are the layers of PyTorch and the functions between them. Assertions and idle modules are gone, a batch
    norm is a module, and one that alone reads a convolution is folded into it.

    Args:
        network: not modified.

    Returns:
        A module that computes the same, or None where the tracer cannot follow.
    """
    twin = copy.deepcopy(network)
    try:
        module = fx.GraphModule(twin, fx.Tracer().trace(twin))
    except Exception:  # networks refuse what stands for a tensor with many kinds of error
        return None
    for change in (_drop_idle, _gather_norms, _fold_norms):
        change(module)
    return tidied(module)


def tidied(module: fx.GraphModule) -> fx.GraphModule:
    """A module of a graph that was changed, without what nobody reads any more."""
    module.graph.eliminate_dead_code()
    return fx.GraphModule(module, module.graph)


def layers(module: fx.GraphModule) -> dict[fx.Node, nn.Module]:
    """The modules that a graph calls, by node; without those that something is hooked into.

    A module with tensors that is called at several nodes is left out, too: what is cut for one would be cut for all.
    """
    nodes = [node for node in module.graph.nodes if node.op == "call_module"]
    times = Counter(node.target for node in nodes)
    found = {node: module.get_submodule(str(node.target)) for node in nodes}
    return {
        node: layer
        for node, layer in found.items()
        if not (layer._forward_hooks or layer._forward_pre_hooks)
        and (times[node.target] == 1 or not layer.state_dict())
    }


def replace_layer(module: fx.GraphModule, node: fx.Node, layer: nn.Module) -> None:
    """Let a node call another layer under the same name."""
    parent, _, name = str(node.target).rpartition(".")
    setattr(module.get_submodule(parent), name, layer)


def attribute(module: fx.GraphModule, node: fx.Node) -> object:
    """What a node reads from the network."""
    found: object = module
    for part in str(node.target).split("."):
        found = getattr(found, part)
    return found


def conv_like(conv: nn.Conv2d, weight: Tensor, bias: Tensor, groups: int) -> nn.Conv2d:
    """A convolution of other weights that moves over its input as another one does; without a bias of zeros."""
    twin: nn.Conv2d = skip_init(
        nn.Conv2d, weight.shape[1] * groups, len(weight), conv.kernel_size, conv.stride, conv.padding, conv.dilation,
        groups, bool(bias.any()), conv.padding_mode,
    )  # fmt: skip
    twin.weight = nn.Parameter(weight.contiguous())
    if twin.bias is not None:
        twin.bias = nn.Parameter(bias.contiguous())
    return twin.eval()


def bias_of(conv: nn.Conv2d) -> Tensor:
    """Its bias, (out,); zeros where it has none."""
    return torch.zeros_like(conv.weight[:, 0, 0, 0]) if conv.bias is None else conv.bias


def _drop_idle(module: fx.GraphModule) -> None:
    """Take assertions and idle modules out."""
    known = layers(module)
    for node in list(module.graph.nodes):
        if node.target is torch._assert:
            module.graph.erase_node(node)
        elif type(known.get(node)) in IDLE:
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)


def _gather_norms(module: fx.GraphModule) -> None:
    """Make modules of batch norms that are called as functions of a module's tensors."""
    for node in list(module.graph.nodes):
        if node.target is F.batch_norm:
            given = inspect.signature(F.batch_norm).bind(*node.args, **node.kwargs).arguments
            norm = _norm_of(module, given)
            if norm is not None:
                name = f"_{node.name}"
                module.add_submodule(name, norm)
                node.op, node.target, node.args, node.kwargs = "call_module", name, (given["input"],), {}


def _norm_of(module: fx.GraphModule, given: Mapping[str, Any]) -> nn.BatchNorm2d | None:
    """The module of a batch norm's arguments; None where they are no tensors of the network, or statistics are new."""
    names = ("running_mean", "running_var", "weight", "bias")
    nodes = [given.get(name) for name in names]
    if given.get("training") or not all(isinstance(node, fx.Node) and node.op == "get_attr" for node in nodes):
        return None
    tensors = [cast(Tensor, attribute(module, cast(fx.Node, node))) for node in nodes]
    norm = nn.BatchNorm2d(len(tensors[0]), eps=given.get("eps", 1e-5)).eval()
    norm.running_mean, norm.running_var = tensors[:2]
    norm.weight, norm.bias = (nn.Parameter(tensor) for tensor in tensors[2:])
    return norm


def _fold_norms(module: fx.GraphModule) -> None:
    """Fold each batch norm that alone reads a convolution into it."""
    known = layers(module)
    for node, norm in known.items():
        before = node.args[0]
        if type(norm) is nn.BatchNorm2d and norm.running_var is not None and isinstance(before, fx.Node):
            conv = known.get(before)
            if type(conv) is nn.Conv2d and len(before.users) == 1:
                scale, _ = affine(norm)
                weight, bias = normed(conv.weight, norm)
                replace_layer(module, before, conv_like(conv, weight, bias + scale * bias_of(conv), conv.groups))
                node.replace_all_uses_with(before)
                module.graph.erase_node(node)
