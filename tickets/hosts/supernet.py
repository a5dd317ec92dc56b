"""The multi-resolution supernet of HR-NAS and SuperTickets: branches, neighbour fusion, search blocks.

Widths between blocks are never searched, so any two tickets of one preset have the same feature maps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tickets.errors import UserError, unknown
from tickets.hosts import limits
from tickets.hosts.base import Features, HostSpec
from tickets.hosts.blocks import KERNELS, Norm, SearchBlock
from tickets.hosts.depth import Family
from tickets.hosts.native import force
from tickets.hosts.native import stem as native
from tickets.search.searchable import Units
from tickets.traits import Traits


@dataclass(frozen=True)
class Stage:
    """One stage: blocks per branch and channels per branch; branch b runs at 1/(stem stride * 2**b)."""

    blocks: tuple[int, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True)
class Spec(HostSpec):
    """The supernet before any search.

    Args:
        stem: channels of the two 3x3 stride-2 convolutions.
        stages: the stages in order; each has as many branches as the one before, or one more.
        expansion: hidden units per kernel size and input channel.
        norm: settings of every batch norm.
        initial_std: standard deviation of all initial convolution weights, as in the released pose recipe
            (1e-3); None for MnasNet's 2 / fan-out, as in the released classification and segmentation. A
            common one lets the magnitudes of all layers be compared after a short training: almost every
            convolution is followed by a batch norm, which makes its scale free, so that under 2 / fan-out
            global magnitude mostly ranks the layers' fan-outs and can empty the stem.
    """

    kind: ClassVar[str] = "supernet"
    traits: ClassVar[Traits] = Traits(has_units=True, has_search_blocks=True)
    stem: int
    stages: tuple[Stage, ...]
    expansion: int = 4
    norm: Norm = field(default_factory=Norm)
    initial_std: float | None = None

    def __post_init__(self) -> None:
        limits.whole("stem", [self.stem])
        limits.whole("expansion", [self.expansion], most=256)
        if self.initial_std is not None:
            limits.above("initial_std", self.initial_std)
        before = 1
        for stage in self.stages:
            limits.whole("the number of blocks of a branch", stage.blocks, most=limits.LONGEST, least=0)
            limits.whole("the width of a branch", stage.widths)
            branches = len(stage.widths)
            if len(stage.blocks) != branches or branches - before not in (0, 1):
                raise UserError(
                    f"a stage has {branches} widths and blocks of {len(stage.blocks)} branches, after one of {before}; "
                    "give each branch both, and a stage as many branches as the one before, or one more"
                )
            before = branches
        if not self.stages or sum(sum(stage.blocks) for stage in self.stages) > limits.LONGEST:
            raise UserError(f"there are too many blocks, or no stage; give at most {limits.LONGEST:,} blocks")

    def build(self, units: Mapping[str, Units] | None = None) -> Supernet:
        """The supernet with fresh weights; `units` rebuilds what a search left.

        Raises:
            UserError: the units are of kernels that a search block has not.
        """
        limits.units(units or {}, KERNELS)
        return Supernet(self, units)

    def family(self) -> Family:
        """The blocks of each branch repeat; whatever makes branches and maps is shared."""
        shared = {
            "kind": self.kind,
            "branches": ", ".join(str(len(stage.widths)) for stage in self.stages),
            "widths": " | ".join(", ".join(map(str, stage.widths)) for stage in self.stages),
            "stem": str(self.stem),
            "expansion": str(self.expansion),
            "norm": str(self.norm),
        }
        return Family(
            shared,
            {
                f"{s}.{b}": tuple(f"branches.{s}.{b}.{i}" for i in range(count))
                for s, stage in enumerate(self.stages)
                for b, count in enumerate(stage.blocks)
            },
        )

    def repeated(self, times: int) -> Spec:
        """The supernet of the same family with so many times the blocks in every branch."""
        stages = [replace(stage, blocks=tuple(times * count for count in stage.blocks)) for stage in self.stages]
        return replace(self, stages=tuple(stages))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Spec:
        """The spec written by `to_json`."""
        stages = tuple(Stage(tuple(s["blocks"]), tuple(s["widths"])) for s in data["stages"])
        return cls(data["stem"], stages, data["expansion"], Norm(**data["norm"]), data["initial_std"])


def _stages(*stages: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[Stage, ...]:
    return tuple(Stage(blocks, widths) for blocks, widths in stages)


TINY = Spec(
    stem=12,
    stages=_stages(((1,), (12,)), ((1, 1), (12, 24)), ((1, 1, 1), (12, 24, 40))),
    expansion=2,
    initial_std=0.01,
)
TINY2, TINY3 = TINY.repeated(2), TINY.repeated(3)
SMALL = Spec(
    stem=16,
    stages=_stages(((1,), (16,)), ((1, 1), (12, 24)), ((1, 1, 2), (12, 24, 48)), ((1, 1, 2, 2), (12, 24, 48, 96))),
    expansion=3,
    initial_std=0.01,
)
PAPER = Spec(
    stem=24,
    stages=_stages(
        ((1,), (24,)),
        ((2, 2), (18, 36)),
        ((2, 2, 3), (18, 36, 72)),
        ((2, 2, 3, 4), (18, 36, 72, 144)),
        ((2, 2, 3, 4), (18, 36, 72, 144)),
    ),
    norm=Norm(momentum=0.01, eps=1e-3),
)

PAPER_POSE = replace(PAPER, norm=Norm(), initial_std=1e-3)

PRESETS: dict[str, Spec] = {
    "tiny": TINY,
    "tiny2": TINY2,
    "tiny3": TINY3,
    "small": SMALL,
    "paper": PAPER,
    "paper_pose": PAPER_POSE,
}
"""`tiny` and `small` for CPUs, `paper` as released, `paper_pose` as released for pose; `tiny2` and `tiny3` are
`tiny` with twice and three times the blocks in every branch, hosts without a scale of their own."""


def preset(name: str) -> Spec:
    """The spec of a preset.

    Raises:
        UserError: no preset of that name; lists those that exist.
    """
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]


class Blocks:
    """Makes search blocks with full or with given units; `units` maps block names to live units."""

    def __init__(self, spec: Spec, units: Mapping[str, Units] | None = None) -> None:
        self.spec, self.units = spec, units

    def __call__(self, name: str, width_in: int, width_out: int, stride: int) -> SearchBlock:
        """The block `name`, with the units that the search left it, or all of them."""
        full = dict.fromkeys(KERNELS, self.spec.expansion * width_in)
        units = full if self.units is None else self.units[name]
        return SearchBlock(width_in, width_out, stride, units, self.spec.norm)


class Fuse(nn.Module):
    """Exchange between neighbouring branches; the paths are search blocks, also within one resolution.

    Row i sums the paths from branches i-1, i and i+1 (stride 2 downwards; nearest x2 upwards) and applies
    ReLU. Where the stage has one branch more, a stride-2 block makes it from the last fused branch.
    """

    def __init__(self, widths_in: tuple[int, ...], widths_out: tuple[int, ...], make: Blocks, name: str) -> None:
        super().__init__()
        self.paths = nn.ModuleDict()
        for i, width in enumerate(widths_out[: len(widths_in)]):
            for j in range(max(i - 1, 0), min(i + 2, len(widths_in))):
                key = f"{j}to{i}"
                self.paths[key] = make(f"{name}.paths.{key}", widths_in[j], width, 2 if j < i else 1)
        self.new: nn.Module | None = None
        if len(widths_out) > len(widths_in):
            self.new = make(f"{name}.new", widths_out[-2], widths_out[-1], 2)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Fuse feature maps, finest first; returns one map per branch of this stage."""
        fused = []
        for i, own in enumerate(maps):
            total = self.paths[f"{i}to{i}"](own)
            if i > 0:
                total = total + self.paths[f"{i - 1}to{i}"](maps[i - 1])
            if i + 1 < len(maps):
                total = total + upsample(self.paths[f"{i + 1}to{i}"](maps[i + 1]), own.shape[-2:])
            fused.append(F.relu(total, inplace=True))
        if self.new is not None:
            fused.append(self.new(fused[-1]))
        return fused


def upsample(x: Tensor, size: torch.Size) -> Tensor:
    """Nearest x2, then bilinear to `size` where an odd size makes them differ."""
    x = F.interpolate(x, scale_factor=2.0, mode="nearest")
    return x if x.shape[-2:] == size else F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class Supernet(nn.Module):
    """The host that SuperTickets are drawn from; (B, 3, H, W) -> one feature map per branch, finest first.

    Args:
        spec: the supernet before the search, as in `preset("tiny")`.
        units: live units per block (block name -> {kernel size: units}); None for all of them.
    """

    def __init__(self, spec: Spec, units: Mapping[str, Units] | None = None) -> None:
        super().__init__()
        self.spec = spec
        make = Blocks(spec, units)
        self.stem = nn.Sequential(
            nn.Conv2d(3, spec.stem, 3, 2, 1, bias=False), spec.norm(spec.stem), nn.ReLU(inplace=True),
            nn.Conv2d(spec.stem, spec.stem, 3, 2, 1, bias=False), spec.norm(spec.stem), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.fuses, self.branches = nn.ModuleList(), nn.ModuleList()
        widths: tuple[int, ...] = (spec.stem,)
        for s, stage in enumerate(spec.stages):
            self.fuses.append(Fuse(widths, stage.widths, make, f"fuses.{s}"))
            self.branches.append(
                nn.ModuleList(
                    nn.Sequential(*(make(f"branches.{s}.{b}.{i}", w, w, 1) for i in range(n)))
                    for b, (n, w) in enumerate(zip(stage.blocks, stage.widths, strict=True))
                )
            )
            widths = stage.widths
        self._initialise()

    def _initialise(self) -> None:
        """Draw all convolution weights by the spec's rule."""
        for conv in stem_convs(self.stem):
            nn.init.normal_(conv.weight, std=(2 / (9 * self.spec.stem)) ** 0.5)
        if self.spec.initial_std is not None:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.normal_(module.weight, std=self.spec.initial_std)

    @property
    def features(self) -> Features:
        """(width, stride) of each feature map."""
        return [(width, 4 * 2**b) for b, width in enumerate(self.spec.stages[-1].widths)]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) to feature maps (B, width, H/stride, W/stride), finest first."""
        maps = [self._stemmed(image)]
        for fuse, branches in self.stages():
            maps = [branch(x) for branch, x in zip(branches, fuse(maps), strict=True)]
        return maps

    def _stemmed(self, image: Tensor) -> Tensor:
        """The image after the stem; its layers by native kernels where those are in force."""
        kernels, layers = force.now(), stem_layers(self.stem)
        if kernels is None or not all(native.serves(*layer, image) for layer in layers):
            return cast(Tensor, self.stem(image))
        for conv, norm in layers:
            image = native.run(conv, norm, image, kernels)
        return image

    def stages(self) -> Iterator[tuple[Fuse, nn.ModuleList]]:
        """Each stage's fusion, and its branches' blocks."""
        return zip(cast(Iterable[Fuse], self.fuses), cast(Iterable[nn.ModuleList], self.branches), strict=True)


def stem_convs(stem: nn.Sequential) -> tuple[nn.Conv2d, nn.Conv2d]:
    """The two convolutions of a stem."""
    return cast(tuple[nn.Conv2d, nn.Conv2d], (stem[0], stem[3]))


def stem_layers(stem: nn.Sequential) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """The two convolutions of a stem, each with its batch norm; a ReLU follows each."""
    norms = cast(tuple[nn.BatchNorm2d, nn.BatchNorm2d], (stem[1], stem[4]))
    return list(zip(stem_convs(stem), norms, strict=True))
