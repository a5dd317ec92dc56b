"""Every name that comes with the project stands for what its registry holds."""

import importlib

import pytest

from bench.jobs.identity import REGISTRIES

MEMBERS = [(noun, name) for noun, registry in REGISTRIES.items() for name in registry.builtin]


@pytest.mark.parametrize(("noun", "name"), MEMBERS, ids=" ".join)
def test_a_built_in_member_is_what_its_noun_says(noun, name):
    registry = REGISTRIES[noun]
    module, _, attribute = registry.base.partition(":")
    found = registry.load(name)
    base = getattr(importlib.import_module(module), attribute)
    assert issubclass(found if isinstance(found, type) else type(found), base)
    assert registry.resolve(name) == name and registry.distribution(name) is None
