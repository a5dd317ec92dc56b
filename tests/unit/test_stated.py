"""What identities state of an object: published ones must not change when fields are added."""

from dataclasses import dataclass, field

import pytest

from tickets.drawers import DRAWERS
from tickets.drawers.base import Drawer
from tickets.stated import ELSEWHERE, LATER, stated


@dataclass(frozen=True)
class Inner:
    """Stated as a dict."""

    depth: int = 1


@dataclass(frozen=True)
class Knobs:
    """One field of each sort."""

    rate: float = 0.2
    inner: Inner = field(default_factory=Inner)
    depth: int = field(default=1, metadata=LATER)
    falls: tuple[float, ...] = field(default_factory=lambda: (0.5,), metadata=LATER)
    rho: float = field(default=0.0, metadata=ELSEWHERE)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, {"rate": 0.2, "inner": {"depth": 1}}),
        ({"rate": 0.2, "depth": 1, "falls": (0.5,), "rho": 0.3}, {"rate": 0.2, "inner": {"depth": 1}}),
        ({"depth": 2}, {"rate": 0.2, "inner": {"depth": 1}, "depth": 2}),
        ({"falls": ()}, {"rate": 0.2, "inner": {"depth": 1}, "falls": ()}),
    ],
)
def test_later_fields_are_stated_where_they_are_not_the_default_and_elsewhere_ones_never(options, told):
    assert stated(Knobs(**options)) == told


def test_a_field_of_a_subclass_is_stated_in_its_place():
    @dataclass(frozen=True)
    class More(Knobs):
        """With a field of its own, and another default for an inherited one."""

        depth: int = field(default=3, metadata=LATER)
        own: int = 5

    assert stated(More()) == {"rate": 0.2, "inner": {"depth": 1}, "own": 5}
    assert stated(More(depth=1))["depth"] == 1


def test_options_that_published_tickets_did_not_know_are_not_stated_by_default():
    assert set(stated(Drawer())) == {"semantics", "allocation", "joint"}
    assert stated(Drawer(pattern="2:4"))["pattern"] == "2:4"
    assert all("pattern" not in stated(DRAWERS.make(name)) for name in DRAWERS.builtin)
