"""LAMP and rows: scores worked by hand, where drawers really choose; ties, removed weights, empty layers."""

import pytest
import torch
from toy import SPEC, ToySource

from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.pruning.allocation import allocate
from tickets.pruning.masks import keep_top
from tickets.seeding import generator
from tickets.training.settings import Settings

HAND = {"a": torch.tensor([3.0, 1.0, 2.0]), "b": torch.tensor([0.01, 0.1, 0.1])}
"""LAMP scores: a 9/9, 1/14 and 4/13; b 1/201, 100/100 and 100/200."""


def chosen(scores, kept, allocation="lamp"):
    """The masks that keep so many entries, as lists of 0 and 1."""
    total = sum(score.numel() for score in scores.values())
    return [mask.int().tolist() for mask in allocate(scores, 1 - kept / total, allocation).values()]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (2, [[1, 0, 0], [0, 1, 0]]),
        (3, [[1, 0, 0], [0, 1, 1]]),  # 1/2 before 4/13
        (4, [[1, 0, 1], [0, 1, 1]]),
        (5, [[1, 1, 1], [0, 1, 1]]),  # 1/14 before 1/201
    ],
)
def test_lamp_by_hand(kept, expected):
    assert chosen(HAND, kept) == expected


def test_lamp_is_not_one_ranking_of_magnitudes():
    assert chosen(HAND, 3, "global") == [[1, 1, 1], [0, 0, 0]]


def test_lamp_does_not_see_the_scale_of_a_layer():
    """Even where squares would leave float32."""
    scaled = {"a": HAND["a"] * 1e-30, "b": HAND["b"] * 1e30}
    assert all(chosen(scaled, kept) == chosen(HAND, kept) for kept in range(1, 7))


def test_every_layer_keeps_its_highest_score_under_lamp():
    g = generator(0, "lamp")
    scores = {str(i): torch.rand(20 * (i + 1), generator=g) * 100.0**-i for i in range(6)}
    for kept in range(6, 30):
        masks = allocate(scores, 1 - kept / 420, "lamp")
        assert sum(int(mask.sum()) for mask in masks.values()) == kept
        assert all(masks[name][score.argmax()] for name, score in scores.items()), kept
    assert not keep_top(scores, 1 - 6 / 420)["5"].any()


def test_of_equal_scores_lamp_keeps_the_earlier():
    """Squares 1, 1, 1, 1: LAMP scores 1, 1/2, 1/3, 1/4 in the order of the layer."""
    assert chosen({"a": torch.ones(4), "b": torch.ones(4)}, 5) == [[1, 1, 1, 0], [1, 1, 0, 0]]


def test_what_scores_nothing_or_less_comes_last_under_lamp_and_in_its_own_order():
    """Weights that are gone score -1 in imp, and zero or a little below by `below`; GraSP's scores may be negative."""
    scores = {"a": torch.tensor([-1.0, 5.0, -1.0, 0.0]), "b": torch.tensor([-2.0, 0.0, 1.0, 1e-12])}
    assert chosen(scores, 3) == [[0, 1, 0, 0], [0, 0, 1, 1]]
    assert chosen(scores, 5) == [[0, 1, 0, 1], [0, 1, 1, 1]]
    assert chosen(scores, 7) == [[1, 1, 1, 1], [0, 1, 1, 1]]
    nothing = {"a": torch.zeros(3), "b": torch.ones(3)}
    assert chosen(nothing, 3) == [[0, 0, 0], [1, 1, 1]]
    assert chosen({"a": -torch.arange(3.0) - 1, "b": -torch.arange(3.0)}, 2) == [[1, 0, 0], [1, 0, 0]]


def lamp_by_definition(w):
    """Eq. 4 as it is written, of a layer without ties."""
    return torch.stack([u**2 / (w[w.abs() >= u.abs()] ** 2).sum() for u in w.flatten()])


def test_a_drawn_ticket_keeps_the_weights_of_the_highest_lamp_scores():
    """Of the trained weights as they are before the only pruning, which `dense` keeps."""
    settings = Settings(3, 0.02, calibration_batches=1)
    dense = DRAWERS.make("dense").draw(Request(SPEC, ToySource(), settings, 0.0, 0))
    request = Request(SPEC, ToySource(), settings, 0.8, 0, {"base": dense})
    ticket = DRAWERS.make("omp@allocation=lamp").draw(request)
    expected = keep_top({name: lamp_by_definition(dense.host.raw[name]) for name in ticket.host.masks}, 0.8)
    assert ticket.prunable - ticket.kept == round(0.8 * ticket.prunable)
    for name, mask in ticket.host.masks.items():
        assert torch.equal(mask.flatten(), expected[name]) and mask.any()


def test_masks_of_imp_are_nested_under_lamp():
    """Weights that are gone do not come back, though all layers are ranked anew."""
    drawer = DRAWERS.make("imp@allocation=lamp@rounds=3")
    seen, choose = [], type(drawer).choose

    class Watched(type(drawer)):
        def choose(self, training, sparsity):
            seen.append(choose(self, training, sparsity))
            return seen[-1]

    Watched(rounds=3, allocation="lamp").draw(Request(SPEC, ToySource(), Settings(8, 0.02), 0.9, 0))
    first, second, third = (torch.cat([m.flatten() for m in masks.values()]) for masks in seen)
    assert not (second & ~first).any() and not (third & ~second).any() and first.sum() > third.sum()


# ---- rows


def test_rows_keep_as_many_each_and_the_odd_ones_go_to_the_highest_next_scores():
    """7 of 12 stay: 2 of every row, and of the thirds 0.3, 0.7 and 0.5 the second."""
    scores = {"w": torch.tensor([[0.9, 0.8, 0.3, 0.1], [0.7, 9.0, 0.2, 8.0], [0.5, 0.6, 0.55, 0.4]])}
    assert chosen(scores, 7, "row") == [[[1, 1, 0, 0], [1, 1, 0, 1], [0, 1, 1, 0]]]
    assert chosen(scores, 6, "row") == [[[1, 1, 0, 0], [0, 1, 0, 1], [0, 1, 1, 0]]]
    assert chosen(scores, 2, "row") == [[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]]


def test_rows_of_equal_scores_keep_the_earlier():
    assert chosen({"w": torch.ones(2, 3)}, 3, "row") == [[[1, 1, 0], [1, 0, 0]]]


def test_layers_have_one_sparsity_where_rows_have():
    g = generator(0, "rows")
    scores = {"a": torch.rand(8, 3, 3, 3, generator=g), "b": torch.rand(16, 1, 5, 5, generator=g)}
    for sparsity in (0.0, 0.31, 0.5, 0.9):
        rows, even = (allocate(scores, sparsity, law) for law in ("row", "uniform"))
        for name, mask in rows.items():
            counts = mask.flatten(1).sum(1)
            assert int(mask.sum()) == int(even[name].sum()) and counts.max() - counts.min() <= 1
