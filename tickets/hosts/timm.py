"""Any timm backbone that gives feature maps, as a host; it has no units to search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeGuard, cast

import torch
from torch import Tensor, nn

from tickets.errors import UserError, unknown
from tickets.hosts.base import Features, HostSpec
from tickets.hosts.depth import Family
from tickets.pruning.masks import prunable
from tickets.searchable import Units

if TYPE_CHECKING:
    from timm.models import FeatureInfo


class TimmHost(nn.Module):
    """A timm backbone built with `features_only=True`, randomly initialised.

    Args:
        model: its name in timm.
    """

    def __init__(self, model: str) -> None:
        super().__init__()
        import timm

        self.body = timm.create_model(model, pretrained=False, features_only=True)
        info = cast("FeatureInfo", self.body.feature_info)
        self.features: Features = list(zip(info.channels(), info.reduction(), strict=True))
        self.channels_last_maps = getattr(self.body, "output_fmt", None) == "NHWC"

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) to feature maps (B, width, H/stride, W/stride)."""
        maps = self.body(image)
        return [m.permute(0, 3, 1, 2) for m in maps] if self.channels_last_maps else list(maps)


@dataclass(frozen=True)
class TimmSpec(HostSpec):
    """A timm backbone before any drawing.

    Args:
        model: its name in timm, as in "resnet18".
    """

    kind: ClassVar[str] = "timm"
    model: str

    @classmethod
    def named(cls, model: str) -> TimmSpec:
        """The spec of a model that timm knows and that gives feature maps.

        Raises:
            UserError: timm does not know it (with the nearest names), or it gives none.
        """
        import timm

        if not timm.is_model(model):
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

    def build(self, units: Mapping[str, Units] | None = None) -> TimmHost:
        """The backbone with timm's initial weights; `units` must be empty, it has none."""
        if units:
            raise ValueError(f"a timm host has no units to search, got {len(units)} blocks")
        return TimmHost(self.model)

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
