"""Ticket -> ticket: other tickets made of one, and the controls that it must beat, by name. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tickets.registry import Member, Registry
from tickets.traits import Traits

if TYPE_CHECKING:
    from tickets.transforms.base import Transform

TRANSFORMS: Registry[Transform] = Registry(
    "transform",
    {
        "signs": Member("tickets.transforms.signs:Signs", traits=Traits(drops_rewind=True)),
        "elastic": Member("tickets.transforms.elastic:Elastic", traits=Traits(draws_from="supernet/tiny")),
        "respike": Member("tickets.transforms.respike:Respike", traits=Traits(draws_from="spiking/tiny_relu")),
        "random": Member("tickets.transforms.random:Random", traits=Traits(is_control=True)),
        "elastic_permuted": Member(
            "tickets.transforms.elastic_permuted:ElasticPermuted",
            traits=Traits(is_control=True, draws_from="supernet/tiny"),
        ),
    },
    "ticketbench.transforms",
    "tickets.transforms.base:Transform",
    "stretch@by=2",
)
