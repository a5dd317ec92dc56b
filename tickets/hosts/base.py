"""What a host is, before any drawing: its architecture and its first weights, as plain values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, cast

import torch
from torch import Tensor, nn

from tickets.errors import UserError
from tickets.hosts.depth import Family
from tickets.search.searchable import Units
from tickets.seeding import seeded
from tickets.stated import stated
from tickets.traits import Traits
from tickets.weights import fitted

Features = list[tuple[int, int]]
"""(width, stride) of each feature map of a host, in its order."""

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
"""Kinds of layers that normalise."""


class Host(Protocol):
    """A feature extractor: an `nn.Module` that maps (B, 3, H, W) to a list of maps (B, width, h, w).

    One that runs its layers several times an image, as over time steps, says in `timesteps` when that number changes.
    One that makes images of latents says in `latent` the (width, stride) of those: it maps (B, width, H / stride,
    W / stride) to maps for images of (H, W).
    """

    features: Features

    def __call__(self, image: Tensor) -> list[Tensor]:
        """The feature maps of some images."""


class HostSpec(ABC):
    """A host before any drawing; a frozen dataclass of plain values, whose fields are its options.

    A host of one's own derives from this and gives `kind` and `build`; docs/extending.md shows one.
    """

    kind: ClassVar[str]
    """The first part of its name, as in "supernet" of "supernet/tiny"."""
    version: ClassVar[int] = 1
    traits: ClassVar[Traits] = Traits()
    """Whether it has units that a drawer can search."""

    @abstractmethod
    def build(self, units: Mapping[str, Units] | None = None) -> nn.Module:
        """The architecture, a `Host`, with some weights.

        Args:
            units: live units per block, which rebuild what a search left; None for all of them.
        """

    def initial(self, seed: int, units: Mapping[str, Units] | None = None) -> nn.Module:
        """The host with its first weights, the same for all methods at one seed.

        Args:
            seed: of weights that are drawn; those that come from a file do not depend on it.
            units: as for `build`.
        """
        return self.fresh(seed, units)

    def fresh(self, seed: int, units: Mapping[str, Units] | None = None) -> nn.Module:
        """The host with weights drawn at random, also where its first ones come from a file.

        Args:
            seed: of the weights.
            units: as for `build`.
        """
        with seeded(seed, "host"):
            return self.build(units)

    def weighted(self, weights: str = "") -> HostSpec:
        """The same host that begins with weights of a file.

        Args:
            weights: which, as the kind's option says it; empty for those that it begins with anyway.

        Raises:
            UserError: there are none; so of a kind that does not say.
        """
        raise UserError(
            f"hosts of the kind {self.kind} begin with random weights; give one that takes a file's, as "
            "timm/tf_efficientnet_lite0@weights=lite0."
        )

    def filled(self, state: Mapping[str, Tensor], where: object) -> nn.Module:
        """The whole host with the weights of a state dict.

        Args:
            state: tensors by name, by default as the host names them.
            where: they were read, for messages.

        Raises:
            UserError: it does not fit; names the first tensor that is missing, of another shape, or too many.
        """
        host = self.build()
        host.load_state_dict(fitted(state, host.state_dict(), "", where))
        return host

    @property
    def origin(self) -> str:
        """Where the first weights are from, in words; empty where they are drawn."""
        return ""

    def check(self) -> None:
        """See before any work starts that it can be built with its first weights; the default builds it without any.

        Raises:
            UserError: a file that they come from cannot be read or does not fit.
        """
        with torch.device("meta"):
            self.build()

    def family(self) -> Family:
        """What it shares with hosts of another depth, and its blocks that repeat.

        Raises:
            UserError: nothing is known to repeat; so of a kind that does not say.
        """
        raise UserError(f"hosts of the kind {self.kind} do not say which of their blocks repeat; take another host.")

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` turns back into the same spec, and the kind."""
        return {"kind": self.kind, **stated(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The spec that `to_json` described, without the kind."""
        return cls(**data)


def features_of(host: nn.Module) -> Features:
    """(width, stride) of each feature map of a host."""
    return cast(Host, host).features


def latent_of(module: nn.Module) -> tuple[int, int] | None:
    """(width, stride) of the latents that a host takes; None of one that takes images, and of a whole network."""
    return cast("tuple[int, int] | None", getattr(module, "latent", None))


def given_to(module: nn.Module, size: tuple[int, int]) -> tuple[int, int, int]:
    """The shape of what a host, or a network, is given for one image.

    Args:
        module: a host of images or latents, or host and head together.
        size: (H, W) of the image.

    Returns:
        (channels, height, width).

    Raises:
        UserError: latents of this host make no image of that size.
    """
    if (latent := latent_of(module)) is None:
        return 3, *size
    width, stride = latent
    if any(side % stride for side in size):
        raise UserError(f"of {size[0]}x{size[1]} pixels it makes no image, whose sides are multiples of {stride}")
    return width, size[0] // stride, size[1] // stride


def timesteps_of(host: nn.Module) -> int | None:
    """How often a host runs its layers for an image; None where that never changes, mostly once."""
    steps: int | None = getattr(host, "timesteps", None)
    return steps


def check_size(spec: HostSpec, name: str, size: tuple[int, int]) -> None:
    """Run a host on the meta device.

    Raises:
        UserError: it cannot take, or make, images of (H, W) = `size`.
    """
    does = "make" if spec.traits.takes == "latent" else "take"
    try:
        with torch.device("meta"), torch.no_grad():
            host = spec.build().eval()
            host(torch.empty(1, *given_to(host, size)))
    except Exception as error:  # hosts refuse sizes with assertions, shape errors and more
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"the host {name} cannot {does} {size[0]}x{size[1]} images ({reason}); choose a fully convolutional one, "
            "or another --scale."
        ) from error
