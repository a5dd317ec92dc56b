"""What tickets are drawn from: our supernet, or any timm backbone that gives feature maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from tickets.blocks import Units
from tickets.errors import UserError, unknown

Features = list[tuple[int, int]]
"""(width, stride) of each feature map of a host, in its order."""


class Host(Protocol):
    """A feature extractor: an `nn.Module` that maps (B, 3, H, W) to a list of maps (B, width, h, w)."""

    features: Features

    def __call__(self, image: Tensor) -> list[Tensor]:
        """The feature maps of some images."""


class HostSpec(Protocol):
    """A host before any drawing, as plain values."""

    kind: ClassVar[str]
    """The first part of its name, as in "supernet" of "supernet/tiny"."""
    searchable: ClassVar[bool]
    """Whether it has units that a drawer can search."""

    def build(self, units: Mapping[str, Units] | None = None) -> nn.Module:
        """A `Host` with fresh weights from the global generator; `units` rebuilds a searched one."""

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` turns back into the same spec."""


def host_spec(name: str) -> HostSpec:
    """The spec of a named host: "supernet/PRESET" or "timm/MODEL".

    Raises:
        UserError: there is no such host, or it gives no feature maps.
    """
    kind, _, member = name.partition("/")
    if kind == "supernet":
        from tickets.supernet import preset

        return preset(member)
    if kind == "timm":
        from tickets.timm_host import TimmSpec

        return TimmSpec.named(member)
    raise unknown("host", name, ["supernet/tiny", "supernet/small", "supernet/paper", "timm/MODEL"])


def spec_from_json(data: Mapping[str, Any]) -> HostSpec:
    """The spec that a ticket's description states.

    Raises:
        UserError: the kind is not one that this version knows.
    """
    from tickets.supernet import Spec
    from tickets.timm_host import TimmSpec

    kinds = {spec.kind: spec for spec in (Spec, TimmSpec)}
    if data.get("kind") not in kinds:
        raise unknown("kind of host", str(data.get("kind")), kinds)
    return kinds[data["kind"]].from_json(data)


def check_size(spec: HostSpec, name: str, size: tuple[int, int]) -> None:
    """Run a host on the meta device.

    Raises:
        UserError: it cannot take images of (H, W) = `size`.
    """
    import torch

    try:
        with torch.device("meta"), torch.no_grad():
            spec.build().eval()(torch.empty(1, 3, *size))
    except Exception as error:  # hosts refuse sizes with assertions, shape errors and more
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"the host {name} cannot take {size[0]}x{size[1]} images ({reason}); choose a fully convolutional one, or "
            "another --scale."
        ) from error
