"""Which channels stay: from the feature maps backwards, what is read of a channel that stays, stays too."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from tickets.deploy.channels import Channels, Survey

BLOCK = 16
"""Channels that PyTorch and ONNX Runtime compute together: a feature map that fills as many blocks with the channels
that stay as with all of them is not cut, so that nothing has to be restored."""

Rule = Callable[[Tensor], None]
"""Sets, in a boolean by channel number, the channels that have to stay because of those that stay already."""


def kept(survey: Survey) -> Tensor:
    """Which channels have to stay, boolean by number.

    The least set that all rules agree to, then at least one channel a map, and whole feature maps where a cut would not
    save a block.

    Args:
        survey: of the network.
    """
    keep = torch.zeros(survey.count, dtype=torch.bool)
    rules = _rules(survey)
    _spread(keep, rules)
    for node, channels in survey.maps.items():
        count, width = int(keep[channels.numbers].sum()), len(channels.numbers)
        is_feature = any(user.op == "output" for user in node.users)
        if not count:
            keep[channels.numbers[0]] = True  # a map without channels has no size to pass on
            _spread(keep, rules)
        elif is_feature and count < width <= math.ceil(count / BLOCK) * BLOCK:
            keep[channels.numbers] = True
            _spread(keep, rules)
    return keep


def _spread(keep: Tensor, rules: list[Rule]) -> None:
    """Follow rules until none sets anything more, in place."""
    before = -1
    while before != (before := int(keep.sum())):
        for rule in rules:
            rule(keep)


def _rules(survey: Survey) -> list[Rule]:
    """One for each node that wants something of what it reads, last nodes first, and one for each tie."""
    rules = []
    for node in reversed(survey.module.graph.nodes):
        conv, before = survey.conv(node), survey.read(node)
        if conv is None and (node.op == "output" or node not in survey.maps):
            read = [survey.maps[one] for one in node.all_input_nodes if one in survey.maps]
            rules += [_wanting(one, one.live if node.op == "output" else torch.ones_like(one.live)) for one in read]
        elif conv is not None and before is not None and conv.groups == 1:
            rules.append(_read_by(conv, before, survey.maps[node]))
    return rules + [_tying(a, b) for a, b in survey.ties]


def _wanting(channels: Channels, wanted: Tensor) -> Rule:
    """Keeps some channels of a map, boolean (C,), whatever else stays."""

    def rule(keep: Tensor) -> None:
        keep[channels.numbers[wanted]] = True

    return rule


def _tying(first: Tensor, second: Tensor) -> Rule:
    """Keeps a number where its partner stays."""

    def rule(keep: Tensor) -> None:
        either = keep[first] | keep[second]
        keep[first[either]] = keep[second[either]] = True

    return rule


def _read_by(conv: nn.Conv2d, before: Channels, after: Channels) -> Rule:
    """Keeps the live channels that a convolution reads for its outputs that stay."""
    reads = conv.weight.flatten(2).any(2) & before.live

    def rule(keep: Tensor) -> None:
        keep[before.numbers[reads[keep[after.numbers]].any(0)]] = True

    return rule
