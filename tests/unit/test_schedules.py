"""What happens when: the staircase, the ramp, and the order of SuperTickets' events."""

import pytest

from tickets.drawers.base import AFTER, BEFORE, Drawer
from tickets.drawers.supertickets import SuperTickets
from tickets.pruning.schedules import ramp, staircase
from tickets.training.events import Event


def test_the_published_staircase_in_epochs():
    """COCO: every 15 of 210 epochs, +0.1, capped; 0.95 is reached in one jump from 0.9, at epoch 150."""
    steps = staircase(210, 0.95)
    assert steps[:9] == [(15 * j, pytest.approx(0.1 * j)) for j in range(1, 10)]
    assert steps[9] == (150, 0.95) and steps[-1] == (195, 0.95)


@pytest.mark.parametrize("steps", [1, 2, 13, 14, 400])
def test_staircases_of_any_length_rise_to_the_target(steps):
    found = staircase(steps, 0.9)
    assert found[-1][1] == 0.9
    assert [s for s, _ in found] == sorted({s for s, _ in found})
    assert [p for _, p in found] == sorted(p for _, p in found)
    assert all(1 <= s <= steps for s, _ in found)


def test_ramp_is_linear_then_constant():
    assert [ramp(s, 140) for s in (0, 5, 10, 140)] == [0, 0.5, 1, 1]


def test_supertickets_events_in_order():
    """A shrink comes before the prune of its step; the last prune is scored before and after; then nothing."""
    events = SuperTickets(after_prune="keep").events(280, 0.9)
    assert [e.step for e in events] == sorted(e.step for e in events)
    assert [e for e in events if e.step == 20] == [
        Event(20, "shrink"),
        Event(20, "prune", {"sparsity": 0.1}),
    ]
    assert [e for e in events if e.step >= 250] == [
        Event(250, "shrink"),
        Event(260, "shrink", {"final": True}),
        Event(260, "evaluate", {"label": BEFORE}),
        Event(260, "prune", {"sparsity": 0.9}),
        Event(260, "evaluate", {"label": AFTER}),
    ]


def test_reactivation_resets_after_every_prune_but_the_last():
    events = SuperTickets(after_prune="reset").events(280, 0.9)
    prunes = [e.step for e in events if e.do == "prune"]
    assert [e.step for e in events if e.do == "reset"] == prunes[:-1]
    assert all(events[i - 1].do == "prune" for i, e in enumerate(events) if e.do == "reset")


def test_a_plain_drawer_prunes_after_the_last_step():
    assert [(e.step, e.do) for e in Drawer().events(50, 0.9)] == [
        (50, "evaluate"),
        (50, "prune"),
        (50, "evaluate"),
    ]
