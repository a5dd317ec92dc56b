"""Any timm backbone that gives feature maps, as a host; it has no units to search."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard, cast

import torch
from torch import Tensor, nn

from tickets.errors import UserError, unknown
from tickets.hosts import limits
from tickets.hosts.base import Features, HostSpec
from tickets.hosts.depth import Family
from tickets.pruning.masks import prunable
from tickets.search.searchable import Units
from tickets.source import MEAN, STD
from tickets.stated import LATER
from tickets.traits import Traits
from tickets.weights import PACKAGES, Weights, filled, find, loaded

if TYPE_CHECKING:
    from timm.models import FeatureInfo


NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_.-]+)?")
"""Of a model in timm, with or without a tag; no colon and no slash."""
SHA256 = re.compile("[0-9a-f]{64}")
CHANNELS = 3


class Renormalised(nn.Module):
    """Images as tasks normalise them, as weights of another normalisation expect them.

    Args:
        mean: of RGB in [0, 1] that the weights expect, by channel.
        std: likewise, the deviation.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        there, deviation = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (mean, std))
        here, own = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (MEAN, STD))
        self.register_buffer("scale", (own / deviation).float(), persistent=False)
        self.register_buffer("shift", ((here - there) / deviation).float(), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 3, H, W): (RGB - mean) / std of the weights' own mean and deviation."""
        return torch.addcmul(self.shift, image, self.scale)


class TimmHost(nn.Module):
    """A timm backbone built with `features_only=True`, randomly initialised.

    Args:
        model: its name in timm.
        mean: of RGB in [0, 1] that its weights expect; empty for the tasks' own, ImageNet's.
        std: likewise, the deviation.
    """

    def __init__(self, model: str, mean: Sequence[float] = (), std: Sequence[float] = ()) -> None:
        super().__init__()
        import timm

        if not is_registered(model):
            raise UserError(f"'{model}' is no name of timm's own models, and no other is built")
        self.normalise = Renormalised(mean, std) if mean else nn.Identity()
        self.body = timm.create_model(model, pretrained=False, features_only=True)
        info = cast("FeatureInfo", self.body.feature_info)
        self.features: Features = list(zip(info.channels(), info.reduction(), strict=True))
        self.channels_last_maps = getattr(self.body, "output_fmt", None) == "NHWC"

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) to feature maps (B, width, H/stride, W/stride)."""
        maps = self.body(self.normalise(image))
        return [m.permute(0, 3, 1, 2) for m in maps] if self.channels_last_maps else list(maps)


def is_registered(model: str) -> bool:
    """Whether a name is one of timm's own registry; others would have timm ask the network, or read a folder."""
    import timm

    return NAME.fullmatch(model) is not None and bool(timm.is_model(model))


@dataclass(frozen=True)
class TimmSpec(HostSpec):
    """A timm backbone before any drawing.

    With weights of a file, every drawer begins with those, and so does `scratch`; the recipe `reinit` and the transform
    `signs` draw fresh ones. A ticket states the file by its content, so that it is built where the file is not.

    Args:
        model: its name in timm, as in "resnet18".
        weights: "lite0", "hub", "hub:TAG" or a file, as `tickets.weights.find` takes them; empty for random ones.
        sha256: of the file; follows from `weights`.
        mean: that its weights expect where that is not the tasks' normalisation; follows from `weights`.
        std: likewise.

    Raises:
        UserError: there are no such weights for this model.
    """

    kind: ClassVar[str] = "timm"
    model: str
    weights: str = field(default="", metadata=LATER)
    sha256: str = field(default="", metadata=LATER)
    mean: tuple[float, ...] = field(default=(), metadata=LATER)
    std: tuple[float, ...] = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        if self.weights and not self.sha256:
            found = find(self.weights, self.model)
            is_usual = (found.mean, found.std) == (MEAN, STD)
            facts: dict[str, Any] = {"weights": found.label, "sha256": found.sha256}
            facts |= {} if is_usual else {"mean": found.mean, "std": found.std}
            for name, value in facts.items():
                object.__setattr__(self, name, value)

    @property
    def traits(self) -> Traits:  # type: ignore[override]  # of a host with options, and not of its class
        """Whether it begins with weights of a file."""
        return Traits(has_weights=bool(self.weights))

    @classmethod
    def named(cls, model: str) -> TimmSpec:
        """The spec of a model that timm knows and that gives feature maps.

        Raises:
            UserError: timm does not know it (with the nearest names), or it gives none.
        """
        import timm

        if not is_registered(model):
            error = unknown("timm model", model, timm.list_models())
            hint = str(error).partition(" Known:")[0]
            raise UserError(f"{hint} timm.list_models() lists all; give e.g. --host timm/resnet18.")
        try:
            with torch.device("meta"):
                TimmHost(model)
        except Exception as error:  # models refuse features_only with many kinds of error
            raise UserError(
                f"the timm model '{model}' gives no feature maps ({str(error).partition(chr(10))[0]}); give one that "
                "works with features_only=True, e.g. timm/resnet18."
            ) from error
        return cls(model)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TimmSpec:
        """The spec of a ticket's description, in which tuples are lists.

        Raises:
            UserError: timm has no model of that name, or weights are told without what vouches for them.
        """
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        model, weights, sums = (str(plain.get(key, "")) for key in ("model", "weights", "sha256"))
        if not is_registered(model):
            raise UserError(f"its host is the timm model {model[:80]!r}, which is none of timm's own names")
        if bool(weights) != bool(SHA256.fullmatch(sums)):
            raise UserError(f"its host begins with the weights {weights[:80]!r} of the SHA-256 {sums[:80]!r}")
        for name in ("mean", "std"):
            if (given := plain.get(name, ())) and len(given) != CHANNELS:
                raise UserError(f"its host's {name} has {len(given)} numbers; images have {CHANNELS} channels")
        for value in plain.get("std", ()):
            limits.above("a standard deviation", value)
        return cls(**plain)

    def build(self, units: Mapping[str, Units] | None = None) -> TimmHost:
        """The backbone with timm's initial weights; `units` must be empty, it has none."""
        if units:
            raise ValueError(f"a timm host has no units to search, got {len(units)} blocks")
        return TimmHost(self.model, self.mean, self.std)

    def initial(self, seed: int, units: Mapping[str, Units] | None = None) -> nn.Module:
        """The backbone with the weights of its file, whatever the seed, or with random ones where it has none.

        Raises:
            UserError: the file is not there any more, is another one, cannot be read, or does not fit.
        """
        host = self.fresh(seed, units)
        if self.weights:
            host.get_submodule("body").load_state_dict(
                loaded(self.model, self._file(), features_only=True).state_dict()
            )
        return host

    @property
    def origin(self) -> str:
        """The name of the weights, their hash, and their package and licence where they are one's."""
        if not self.weights:
            return ""
        known = PACKAGES.get(self.weights)
        told = [f"of {known.install}, {known.licence}"] if known else []
        return "; ".join([self.weights, *told, f"SHA-256 {self.sha256}", "what they cost to train is not counted"])

    def weighted(self, weights: str = "") -> TimmSpec:
        """The same backbone that begins with weights of a file."""
        if not (weights or self.weights):
            raise UserError(
                f"timm/{self.model} begins with random weights; say which of a file it begins with, as in "
                f"timm/{self.model}@weights=FILE."
            )
        return TimmSpec(self.model, weights) if weights else self

    def filled(self, state: Mapping[str, Tensor], where: object) -> nn.Module:
        """The backbone with the weights of a state dict of the whole timm model; the classifier is not used."""
        host = self.build()
        host.body.load_state_dict(filled(self.model, state, where, features_only=True).state_dict())
        return host

    def check(self) -> None:
        """The file of the weights must be there, be the same, and fit."""
        if self.weights:
            loaded(self.model, self._file(), features_only=True)

    def _file(self) -> Weights:
        """The file of the weights, found again, and the same."""
        found = find(self.weights, self.model)
        if found.sha256 != self.sha256:
            raise UserError(
                f"the weights {self.weights} of timm/{self.model} are now of the SHA-256 {found.sha256[:16]}..., and "
                f"were of {self.sha256[:16]}...; bring the old file back, or run the command again."
            )
        return found

    def family(self) -> Family:
        """All but the first block of every stage repeat; a stage is a sequence of two or more blocks of one class, of
        which all but the first, that may change width and size, have tensors of the same shapes.

        Raises:
            UserError: the model has no such stage.
        """
        with torch.device("meta"):
            host = self.build()
        found = {name: layers for name, layers in host.named_modules() if _is_stage(layers)}
        if not found:
            raise UserError(f"timm/{self.model} has no stages of blocks that repeat; take another host.")
        blocks = dict.fromkeys(type(layers[0]).__name__ for layers in found.values())
        stages = {name: tuple(f"{name}.{i}" for i in range(1, len(layers))) for name, layers in found.items()}
        return Family({"kind": self.kind, "blocks": ", ".join(blocks), "stages": ", ".join(found)}, stages)


def _is_stage(layers: nn.Module) -> TypeGuard[nn.Sequential]:
    """Whether a module is a sequence of blocks that repeat."""
    if not isinstance(layers, nn.Sequential) or len(layers) < 2:
        return False
    first, *others = layers
    shapes = [{name: tensor.shape for name, tensor in block.state_dict().items()} for block in others]
    alike = {type(block) for block in layers} == {type(first)} and all(one == shapes[0] for one in shapes)
    return alike and not isinstance(first, nn.Sequential) and bool(prunable(first))
