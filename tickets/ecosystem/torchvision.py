"""A ticket as torchvision's detection and segmentation models want a backbone: named maps, and their widths."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from tickets.errors import UserError
from tickets.hosts.base import features_of


class Backbone(nn.Module):
    """A host whose maps have names; (B, 3, H, W) -> an ordered mapping of (B, width, h, w).

    Args:
        host: of a ticket.
        names: by number of a map, negative ones from the last, what it is called; None for all, "0" the finest.
        fpn: width of a feature pyramid that is put on these maps, with a coarser one "pool"; None for none.

    Raises:
        UserError: the host has no map of a number.
    """

    out_channels: int | list[int]
    """Of every map where there is one or a pyramid, as torchvision's detectors read it; else a list."""

    def __init__(self, host: nn.Module, names: Mapping[int, str] | None = None, fpn: int | None = None) -> None:
        super().__init__()
        self.host = host
        count = len(features_of(host))
        if odd := [number for number in names or () if not -count <= number < count]:
            raise UserError(f"the host has {count} maps, and {odd[0]} was asked for; give 0 to {count - 1}.")
        named = names or {number: str(number) for number in range(count)}
        self.names = {number % count: name for number, name in named.items()}
        widths = [features_of(host)[number][0] for number in self.names]
        self.pyramid: nn.Module = nn.Identity()
        if fpn is not None:
            from torchvision.ops import FeaturePyramidNetwork
            from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

            self.pyramid = FeaturePyramidNetwork(widths, fpn, LastLevelMaxPool())
        self.out_channels = fpn or (widths[0] if len(widths) == 1 else widths)

    def forward(self, image: Tensor) -> OrderedDict[str, Tensor]:
        """The named maps, in the order of their names."""
        maps = self.host(image)
        found: OrderedDict[str, Tensor] = self.pyramid(OrderedDict((n, maps[i]) for i, n in self.names.items()))
        return found
