"""Compaction of plain convolutional networks: the channels that are constant, or that nobody reads, are cut.

What a cut constant did is added to the bias of the convolution that reads it or, where that is padded, is computed
from one channel of ones, borders included. Channels that meet in sums go or stay together: one that lives on either
side stays in both.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, fx, nn

from tickets.deploy.carried import Carried, Restore
from tickets.deploy.channels import Channels, Survey, is_padded
from tickets.deploy.keeping import kept
from tickets.deploy.tracing import attribute, bias_of, conv_like, replace_layer, tidied, traced
from tickets.hosts.base import Features, given_to, latent_of

TRIED_SIZE = (96, 160)
"""(H, W) of the random image that a result is tried with: all can halve it five times, which leaves odd sides."""
TOLERANCE = 1e-9
"""Allowed difference in double, relative to the largest output."""


class Bordered(nn.Module):
    """A padded convolution some of whose inputs were constants other than zero, which padding gives a border.

    Args:
        conv: over the other inputs.
        rim: from one channel of ones to what the constants do; of the same stride, padding and dilation.
    """

    def __init__(self, conv: nn.Conv2d, rim: nn.Conv2d) -> None:
        super().__init__()
        self.conv, self.rim = conv, rim

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H/stride, W/stride)."""
        out: Tensor = self.conv(x)
        return out.add_(self.rim(x.new_ones(1, 1, *x.shape[-2:])))


class CompactTraced(nn.Module):
    """A plain network of which only the channels that matter are left; made by `compact`.

    Args:
        body: its graph.
        features: (width, stride) of each feature map, as the host tells them.
        latent: likewise of what it takes, where that is no image.
    """

    def __init__(self, body: fx.GraphModule, features: Features, latent: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.body, self.features, self.latent = body, features, latent

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) to the host's feature maps (B, width, H/stride, W/stride)."""
        maps: list[Tensor] = self.body(image)
        return maps


def compact_traced(host: nn.Module) -> CompactTraced | None:
    """A smaller network that computes a host's feature maps, of a host that can be traced.

    A trace may differ from what is traced where tensors are written in place. So the result is tried on a random image,
    in double, before it is handed out.

    Args:
        host: in eval mode. Not modified.

    Returns:
        A new module of the host's dtype and device; None if the host cannot be traced, or the result was wrong.
    """
    twin = copy.deepcopy(host).cpu().double()
    module, like = traced(twin), next(host.parameters(), None)
    if module is None or like is None:
        return None
    _store_constants(Survey(module))
    survey = Survey(tidied(module))
    _cut(survey, kept(survey))
    compacted = CompactTraced(tidied(survey.module), getattr(host, "features", []), latent_of(host)).eval()
    return compacted.to(like) if _agree(twin, compacted) else None


def cut_channels(host: nn.Module, compacted: CompactTraced) -> int:
    """Output channels of the host's convolutions that the compacted network lacks."""
    rims = {module.rim for module in compacted.modules() if isinstance(module, Bordered)}
    convs = ([layer for layer in network.modules() if isinstance(layer, nn.Conv2d)] for network in (host, compacted))
    before, after = (sum(conv.out_channels for conv in found if conv not in rims) for found in convs)
    return before - after


def _store_constants(survey: Survey) -> None:
    """Let sums and products read constant maps from the network, so that nobody has to compute them."""
    module = survey.module
    for node in survey.joins:
        in_place = node.op == "call_method" and str(node.target).endswith("_")
        if survey.maps[node].is_constant or in_place:
            continue
        for one in node.all_input_nodes:
            if survey.maps[one].is_constant:
                with module.graph.inserting_before(node):
                    node.replace_input_with(one, _stored(module, survey.maps[one].value))


def _stored(module: fx.GraphModule, value: Tensor) -> fx.Node:
    """A new node that reads one value a channel, (C,), for all places."""
    name = next(free for number in itertools.count() if not hasattr(module, free := f"_constant_{number}"))
    module.register_buffer(name, value[:, None, None].clone())
    return module.graph.get_attr(name)


def _cut(survey: Survey, keep: Tensor) -> None:
    """Leave only the channels that stay, in every layer, but all in feature maps."""
    module = survey.module
    for node, channels in survey.maps.items():
        rows, layer = keep[channels.numbers], survey.layers.get(node)
        if type(layer) is nn.Conv2d:
            replace_layer(module, node, _cut_conv(layer, survey.read(node), rows, keep))
        elif type(layer) is nn.BatchNorm2d:
            replace_layer(module, node, _cut_norm(layer, rows))
        elif node.op == "get_attr":
            with module.graph.inserting_before(node):
                value = cast(Tensor, attribute(module, node)).flatten()[rows]
                node.replace_all_uses_with(_stored(module, value))
    _restore(survey, keep)


def _restore(survey: Survey, keep: Tensor) -> None:
    """Let feature maps have their full widths."""
    module = survey.module
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    for node in output.all_input_nodes:
        if node in survey.maps:
            channels = survey.maps[node]
            carried = Carried.after(keep[channels.numbers], channels.value)
            if not carried.is_whole:
                name = f"_restore_{node.name}"
                module.add_submodule(name, Restore(carried))
                with module.graph.inserting_before(output):
                    output.replace_input_with(node, module.graph.call_module(name, (node,)))


def _cut_conv(conv: nn.Conv2d, before: Channels | None, rows: Tensor, keep: Tensor) -> nn.Module:
    """A convolution to the outputs `rows` from the inputs that stay."""
    weight, bias = conv.weight[rows], bias_of(conv)[rows]
    if before is None or conv.groups > 1:
        return conv_like(conv, weight, bias, 1 if conv.groups == 1 else len(weight))
    columns = keep[before.numbers]
    constant = torch.einsum("oihw,i->ohw", weight, before.value * ~columns)[:, None]
    if is_padded(conv) and constant.any():
        return Bordered(conv_like(conv, weight[:, columns], bias, 1), conv_like(conv, constant, 0 * bias, 1))
    return conv_like(conv, weight[:, columns], bias + constant.sum((1, 2, 3)), 1)


def _cut_norm(norm: nn.BatchNorm2d, rows: Tensor) -> nn.BatchNorm2d:
    """A batch norm of the channels `rows`."""
    twin = copy.deepcopy(norm)
    twin.num_features = int(rows.sum())
    for tensors in (twin._parameters, twin._buffers):
        for name, tensor in tensors.items():
            if tensor is not None and tensor.dim() == 1:
                setattr(twin, name, nn.Parameter(tensor[rows]) if tensors is twin._parameters else tensor[rows])
    return twin


def _agree(host: nn.Module, compacted: nn.Module) -> bool:
    """Whether two networks make the same feature maps of a random image, or latent."""
    shape = given_to(host, TRIED_SIZE)
    images = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    try:
        expected, got = (_maps(network(images)) for network in (host, compacted))
    except Exception:  # hosts refuse sizes with assertions, shape errors and more
        return False
    return len(got) == len(expected) and all(
        a.shape == b.shape and bool((a - b).abs().max() <= TOLERANCE * b.abs().max())
        for a, b in zip(got, expected, strict=True)
    )


def _maps(outputs: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else outputs
