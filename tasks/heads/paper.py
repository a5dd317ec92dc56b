"""The heads of SuperTickets' released networks; they hold search blocks and are pruned apart from the host.

Counted on the released configurations: classification ends at 1,600 channels, segmentation and pose
at 90 (180 for ADE20K).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.base import Features, Task
from tickets.hosts.blocks import KERNELS, Norm, SearchBlock
from tickets.search.searchable import Units

PAPER_NORM = Norm(momentum=0.01, eps=1e-3)
EXPANSION = 4


POSE_NORM, POSE_STD = Norm(), 1e-3


def _block(
    name: str, w_in: int, w_out: int, stride: int, units: Mapping[str, Units] | None, norm: Norm = PAPER_NORM
) -> SearchBlock:
    live = dict.fromkeys(KERNELS, EXPANSION * w_in) if units is None else units[name]
    return SearchBlock(w_in, w_out, stride, live, norm)


class PaperClassifier(nn.Module):
    """Widen each map by a block, cascade downwards by stride-2 blocks, 1x1 conv, pool, dropout 0.2, linear.

    Args:
        features: (width, stride) of the host's maps, finest first.
        outputs: classes.
        units: live units per search block after a search; None for all.
    """

    def __init__(self, features: Features, outputs: int, units: Mapping[str, Units] | None = None) -> None:
        super().__init__()
        widths = [width for width, _ in features]
        wide = [*widths[1:], 320]
        self.increase = nn.ModuleList(
            _block(f"increase.{i}", a, b, 1, units) for i, (a, b) in enumerate(zip(widths, wide, strict=True))
        )
        self.downsample = nn.ModuleList(
            _block(f"downsample.{i}", a, b, 2, units) for i, (a, b) in enumerate(pairwise(wide))
        )
        self.final = nn.Sequential(nn.Conv2d(wide[-1], 1600, 1, bias=False), PAPER_NORM(1600), nn.ReLU(inplace=True))
        self.dropout = nn.Dropout(0.2)
        self.predict = nn.Linear(1600, outputs)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Feature maps -> logits (B, outputs)."""
        y = self.increase[0](maps[0])
        for widen, down, x in zip(self.increase[1:], self.downsample, maps[1:], strict=True):
            y = widen(x) + down(y)
        return self.predict(self.dropout(self.final(y).mean((2, 3))))


class PaperDense(nn.Module):
    """All maps upsampled to the finest, concatenated, one search block, 1x1 conv with bias.

    Args:
        features: (width, stride) of the host's maps, finest first.
        outputs: classes or keypoints.
        width: channels before the prediction: 90, or 180 for ADE20K.
        units: live units per search block after a search; None for all.
        norm: settings of its batch norms.
    """

    def __init__(
        self,
        features: Features,
        outputs: int,
        width: int = 90,
        units: Mapping[str, Units] | None = None,
        norm: Norm = PAPER_NORM,
    ) -> None:
        super().__init__()
        self.transform = _block("transform", sum(w for w, _ in features), width, 1, units, norm)
        self.predict = nn.Conv2d(width, outputs, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Feature maps -> logits or heat maps (B, outputs, h, w) at the finest map's size."""
        size = maps[0].shape[-2:]
        up = [F.interpolate(m, size=size, mode="bilinear", align_corners=False) for m in maps[1:]]
        return self.predict(self.transform(torch.cat([maps[0], *up], dim=1)))


class PaperPose(PaperDense):
    """The dense head as pose has it: PyTorch's batch norms, weights of convolutions from N(0, 1e-3), biases 0."""

    def __init__(
        self, features: Features, outputs: int, width: int = 90, units: Mapping[str, Units] | None = None
    ) -> None:
        super().__init__(features, outputs, width, units, POSE_NORM)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=POSE_STD)
        assert self.predict.bias is not None
        nn.init.zeros_(self.predict.bias)


def make_head(
    task: Task,
    heads: str,
    features: Features,
    units: Mapping[str, Units] | None = None,
    width: int | None = None,
) -> nn.Module:
    """A task's head: its own light one, or the released one of its kind.

    Args:
        task: whose outputs it predicts.
        heads: "light" or "paper".
        features: (width, stride) of the host's maps, finest first.
        units: live units per search block after a search; None for all.
        width: channels before the prediction of a released dense head; None for the task's own.
    """
    if heads == "light" or not task.has_released_head:
        return task.head(features)
    if task.info.kind == "cls":
        return PaperClassifier(features, task.info.outputs, units)
    dense = PaperPose if task.info.kind == "pose" else PaperDense
    return dense(features, task.info.outputs, width or task.head_width, units)
