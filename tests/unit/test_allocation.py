"""Counts per layer: exact in sum, worked by hand for Erdős-Rényi, never empty where that can be helped."""

import pytest
import torch

from tickets.errors import UserError
from tickets.pruning.allocation import ALLOCATIONS, allocate
from tickets.pruning.masks import keep_top
from tickets.seeding import generator

SHAPES = {"stem": (8, 3, 3, 3), "depthwise": (16, 1, 5, 5), "wide": (64, 48, 1, 1), "tiny": (2, 1), "out": (10, 64)}


def drawn(shapes=SHAPES):
    """Random scores, the layers of very different scale."""
    g = generator(0, "scores")
    return {name: torch.randn(shape, generator=g) * 10.0**i for i, (name, shape) in enumerate(shapes.items())}


def kept(masks):
    """Number of kept entries by layer."""
    return {name: int(mask.sum()) for name, mask in masks.items()}


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_exactly_the_rounded_share_is_removed_at_every_sparsity(allocation):
    scores = drawn()
    total = sum(score.numel() for score in scores.values())
    for sparsity in [*(i / 97 for i in range(97)), 0.9, 0.99, 0.999, 0.9999]:
        masks = allocate(scores, sparsity, allocation)
        assert sum(int((~mask).sum()) for mask in masks.values()) == round(sparsity * total), sparsity
        assert {name: mask.shape for name, mask in masks.items()} == {n: s.shape for n, s in scores.items()}


@pytest.mark.parametrize("allocation", ["uniform", "erk", "row"])
def test_no_layer_is_empty_as_long_as_there_are_weights_for_all(allocation):
    scores = drawn()
    total = sum(score.numel() for score in scores.values())
    for left in range(len(scores), 200):
        assert min(kept(allocate(scores, 1 - left / total, allocation)).values()) >= 1, left
    assert min(kept(keep_top(scores, 0.99)).values()) == 0


@pytest.mark.parametrize("allocation", ["uniform", "erk"])
def test_each_layer_keeps_its_highest_scores_and_the_earlier_of_equal_ones(allocation):
    scores = drawn()
    for name, mask in allocate(scores, 0.8, allocation).items():
        assert mask.all() or scores[name][mask].min() > scores[name][~mask].max()
    masks = allocate({"a": torch.tensor([0.0, 1.0, 1.0, 1.0]), "b": torch.zeros(4)}, 0.5, allocation)
    assert masks["a"].tolist() == [False, True, True, False] and masks["b"].tolist() == [True, True, False, False]


def test_global_is_one_ranking():
    scores = drawn()
    masks, expected = allocate(scores, 0.7, "global"), keep_top(scores, 0.7)
    assert all(torch.equal(masks[name], expected[name]) for name in scores)


def test_uniform_is_the_same_sparsity_in_every_layer():
    for sparsity in (0.1, 0.5, 0.77, 0.9):
        for name, count in kept(allocate(drawn(), sparsity, "uniform")).items():
            size = torch.Size(SHAPES[name]).numel()
            assert abs(count - (1 - sparsity) * size) < 1, (sparsity, name)


def test_erk_of_two_layers_by_hand():
    """(8, 4, 3, 3): dims sum to 18 of 288; (10, 40): to 50 of 400. Of 688, 69 stay: 69 * 18/68 = 18.26 and 50.74."""
    scores = drawn({"conv": (8, 4, 3, 3), "linear": (10, 40)})
    assert kept(allocate(scores, 0.9, "erk")) == {"conv": 18, "linear": 51}


def test_erk_makes_dense_what_would_pass_density_one_and_solves_the_rest_again():
    """Dims sum to 4, 14 and 45, and 107 of 528 stay. That asks 6.8 of the first layer's 4, which gets dense; the
    second, 23.8 of 24 until then, is asked for 103 * 14/59 = 24.4, and gets dense too; the third has the rest."""
    scores = drawn({"first": (2, 2), "second": (2, 12), "third": (20, 25)})
    assert kept(allocate(scores, 1 - 107 / 528, "erk")) == {"first": 4, "second": 24, "third": 79}


def test_a_layer_too_small_for_its_share_keeps_one_weight_at_the_cost_of_the_others():
    """10 of 1003 stay; the even share of the small layer is 0.03, less than one."""
    scores = drawn({"large": (1000,), "small": (3,)})
    assert kept(allocate(scores, 1 - 10 / 1003, "uniform")) == {"large": 9, "small": 1}


@pytest.mark.parametrize(("allocation", "expected"), [("uniform", [0, 2, 0, 1]), ("erk", [0, 1, 1, 1])])
def test_fewer_weights_than_layers_go_by_largest_remainders(allocation, expected):
    """3 of 175 stay. Uniform: shares .07, 1.39, .15, 1.39; Erdős-Rényi, 4 : 18 : 6 : 18: .26, 1.17, .39, 1.17."""
    scores = drawn({"a": (2, 2), "b": (9, 9), "c": (3, 3), "d": (9, 9)})
    assert list(kept(allocate(scores, 1 - 3 / 175, allocation)).values()) == expected


def test_equal_remainders_favour_the_earlier_layer():
    scores = drawn({"a": (3,), "b": (3,), "c": (3,), "d": (3,)})
    assert list(kept(allocate(scores, 0.5, "uniform")).values()) == [2, 2, 1, 1]


def test_scores_are_not_modified_and_the_same_call_gives_the_same_masks():
    scores = drawn()
    before = {name: score.clone() for name, score in scores.items()}
    first, second = allocate(scores, 0.9, "erk"), allocate(scores, 0.9, "erk")
    assert all(torch.equal(first[name], second[name]) for name in scores)
    assert all(torch.equal(scores[name], before[name]) for name in scores)


def test_wrong_requests_are_refused():
    scores = drawn()
    with pytest.raises(UserError, match=r"unknown allocation 'erg'.* 'erk'.* Known: global, uniform, erk"):
        allocate(scores, 0.5, "erg")
    for allocation in ALLOCATIONS:
        with pytest.raises(ValueError, match=r"sparsity must be in \[0, 1\), got 1"):
            allocate(scores, 1.0, allocation)
        with pytest.raises(ValueError, match="the scores of 'tiny' are not all finite"):
            allocate(scores | {"tiny": torch.tensor([[1.0], [float("inf")]])}, 0.5, allocation)
