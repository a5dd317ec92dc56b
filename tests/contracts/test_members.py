"""Every registered drawer, recipe, transform, host, scorer and pattern keeps its contract; a new one is covered the
moment it registers."""

from __future__ import annotations

import pytest
from toy import DRAWERS

from tickets import contract

KNOWN = {"rho": 0.1}
"""Enough that a search finds units to cut in so few steps."""

SMALLER = {"drawer": {"most": 4, "longest": 12}, "recipe": {"steps": 9}, "transform": {"steps": 4}}
LARGE = ("supernet/paper", "spiking/vgg16", "spiking/vgg16_relu", "spiking/resnet19", "spiking/resnet19_relu")

MEMBERS = [
    pytest.param(noun, name, id=f"{noun} {name}", marks=pytest.mark.slow if name in LARGE else ())
    for noun, registry in contract.REGISTRIES.items()
    for name in (DRAWERS if noun == "drawer" else registry.builtin)
]


@pytest.mark.parametrize(
    ("noun", "name"),
    [
        *MEMBERS,
        ("drawer", "omp@pattern=2:4"),
        ("drawer", "supertickets@pattern=2:4"),
        ("drawer", "gmp@semantics=reparam@allocation=erk"),
        ("scorer", "snip@batches=2"),
    ],
)
def test_it_keeps_its_contract(noun, name):
    checks = contract.of(noun)
    subject = checks.Subject(name, contract.REGISTRIES[noun].make(name, KNOWN), **SMALLER.get(noun, {}))
    assert [v for v in checks.verdicts(subject) if v.outcome == "FAILED"] == []
