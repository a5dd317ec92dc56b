"""What tickets are drawn from: hosts by name, and as a ticket's description states them. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tickets.errors import UserError, unknown
from tickets.registry import Member, Registry
from tickets.traits import Traits

if TYPE_CHECKING:
    from tickets.hosts.base import HostSpec

LONGEST = 400
"""Characters of a description that a message shows."""

_SEARCHED = Traits(has_units=True, has_search_blocks=True)


def _spiking(preset: str) -> dict[str, Member]:
    """A spiking network under its preset's name, and its twin."""
    name, target = f"spiking/{preset.lower()}", f"tickets.hosts.spiking:{preset}"
    twin = Member(target, {"neuron": "relu"}, Traits())
    return {name: Member(target, traits=Traits(has_timesteps=True)), f"{name}_relu": twin}


HOSTS: Registry[HostSpec] = Registry(
    "host",
    {
        "supernet/tiny": Member("tickets.hosts.supernet:TINY", traits=_SEARCHED),
        "supernet/tiny2": Member("tickets.hosts.supernet:TINY2", traits=_SEARCHED),
        "supernet/tiny3": Member("tickets.hosts.supernet:TINY3", traits=_SEARCHED),
        "supernet/small": Member("tickets.hosts.supernet:SMALL", traits=_SEARCHED),
        "supernet/paper": Member("tickets.hosts.supernet:PAPER", traits=_SEARCHED),
        "supernet/paper_pose": Member("tickets.hosts.supernet:PAPER_POSE", traits=_SEARCHED),
        "decoder/tiny": Member("tickets.hosts.decoder:TINY", traits=Traits(takes="latent")),
        **_spiking("TINY"),
        **_spiking("VGG16"),
        **_spiking("RESNET19"),
    },
    "ticketbench.hosts",
    "tickets.hosts.base:HostSpec",
    "supernet/tiny@expansion=3",
    families={"timm": "tickets.hosts.timm:TimmSpec.named"},
)

KINDS = {
    "supernet": "tickets.hosts.supernet:Spec",
    "decoder": "tickets.hosts.decoder:DecoderSpec",
    "spiking": "tickets.hosts.spiking:SpikingSpec",
    "timm": "tickets.hosts.timm:TimmSpec",
}
"""Classes of the built-in specs by their kind; a plug-in's kind is the first part of its members' names."""


def spec_from_json(data: Mapping[str, Any]) -> HostSpec:
    """The spec that a ticket's description states.

    Raises:
        UserError: no host that is installed is of this kind.
    """
    kind = str(data.get("kind"))
    members = [name for name in HOSTS.names() if name.partition("/")[0] == kind]
    if not members and kind not in KINDS:
        raise unknown("kind of host", kind, [*KINDS, *(name.partition("/")[0] for name in HOSTS.names())])
    if kind in KINDS:
        import importlib

        module, _, attribute = KINDS[kind].partition(":")
        cls = getattr(importlib.import_module(module), attribute)
    else:
        found = HOSTS.load(members[0])
        cls = found if isinstance(found, type) else type(found)
    told = {key: value for key, value in data.items() if key != "kind"}
    try:
        spec: HostSpec = cls.from_json(told)
        if kind in KINDS:
            _check_types(cls, told)
    except (KeyError, TypeError, AttributeError) as error:
        shown = repr(dict(data))[:LONGEST]
        raise UserError(f"the host's description {shown} is none of the kind {kind}: {error!r} is wrong.") from error
    return spec


def _check_types(cls: type, told: Mapping[str, Any]) -> None:
    """See that every value of a description is of its field's own type, as whole numbers are for sizes.

    Raises:
        UserError: one is not.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(cls).validate_json(json.dumps(told), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"the host's {where} is {str(first['input'])[:80]}: {first['msg'].lower()}") from error
