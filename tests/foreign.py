"""Members as other packages have them, and how a test registers them for its own duration."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest
from torch import Tensor

from tickets.drawers.base import Drawer
from tickets.recipes.finetune import Finetune
from tickets.registry import Registry
from tickets.ticket import Ticket
from tickets.training.loop import Training
from tickets.training.method import Pass
from tickets.traits import Need, Traits, based_on
from tickets.transforms.base import Transform


def register(patch: pytest.MonkeyPatch, registry: Registry[Any], **targets: str) -> None:
    """Let a registry have these plug-ins and no others.

    Args:
        patch: takes them out again.
        registry: of their noun.
        targets: "module:attribute" by name; two underscores stand for a slash.
    """
    names = {name.replace("__", "/"): target for name, target in targets.items()}
    points = {name: [EntryPoint(name, target, registry.group)] for name, target in names.items()}
    patch.setitem(vars(registry), "_plugins", points)


@dataclass(frozen=True)
class Regrown(Drawer):
    """Starts from a dense ticket of the source.

    Args:
        share: a knob.
    """

    share: float = 0.5

    @property
    def traits(self) -> Traits:
        """It needs a base."""
        return Traits(based_on("dense"))


class Selfish(Drawer):
    """Starts from its own ticket."""

    traits = Traits(based_on("selfish"))


class Chicken(Drawer):
    """Starts from an egg."""

    traits = Traits(based_on("egg"))


class Egg(Drawer):
    """Starts from a chicken."""

    traits = Traits(based_on("chicken"))


class Taught(Finetune):
    """Looks at a dense network that was trained on the target."""

    traits: ClassVar[Traits] = Traits(needs=(Need("teacher", "dense", on="target"),))

    def loss(self, training: Training, seen: Pass) -> Tensor:
        """The target's loss, if the teacher is the target's."""
        assert set(training.given) == {"teacher"}
        assert training.given["teacher"].provenance["source"] == training.source.name
        return super().loss(training, seen)


class Same(Transform):
    """Makes a ticket of a ticket: the same one."""

    def apply(self, ticket: Ticket, seed: int) -> Ticket:
        """The ticket."""
        return ticket


class BasedOnSet(Drawer):
    """Asks for a set where one ticket is given."""

    traits = Traits(based_on("dst"))


class TwiceRemoved(Drawer):
    """Asks for a ticket that would be made from a set."""

    traits = Traits(based_on("based"))


class TaughtBySet(Finetune):
    """Asks for a set as its teacher."""

    traits: ClassVar[Traits] = Traits(needs=(Need("teacher", "edst", on="target"),))


class Carried(Transform):
    """Draws from a host of timm; what it makes is of no use."""

    traits = Traits(draws_from="timm/resnet18")

    def apply(self, ticket: Ticket, seed: int) -> Ticket:
        """The ticket."""
        return ticket


class Sized(Carried):
    """Draws from a host that takes images of one size."""

    traits = Traits(draws_from="timm/vit_tiny_patch16_224")
