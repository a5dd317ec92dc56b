"""Any timm backbone that gives feature maps, as a host; it has no units to search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from torch import Tensor, nn

from tickets.errors import UserError, unknown
from tickets.hosts.base import Features, HostSpec
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
        import torch

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
