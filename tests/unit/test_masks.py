"""Exact counts, ties and refusals of the masks."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from tickets.pruning.masks import keep_top, ones, project, prunable, sparsity_of
from tickets.seeding import derive, generator, seeded


@pytest.mark.parametrize("sparsity", [0.0, 0.001, 0.37, 0.5, 0.9, 0.999])
def test_removes_exactly_the_rounded_share(sparsity):
    g = generator(0, "scores")
    scores = {"a": torch.randn(7, 11, generator=g), "b": torch.randn(501, generator=g)}
    masks = keep_top(scores, sparsity)
    assert sum(int((~m).sum()) for m in masks.values()) == round(sparsity * 578)
    assert {n: m.shape for n, m in masks.items()} == {n: s.shape for n, s in scores.items()}
    kept = torch.cat([scores[n][m] for n, m in masks.items()])
    gone = torch.cat([scores[n][~m] for n, m in masks.items()])
    assert not len(gone) or kept.min() > gone.max()


def test_ties_keep_the_earlier_entry():
    masks = keep_top({"a": torch.tensor([1.0, 1.0, 2.0]), "b": torch.tensor([1.0, 1.0])}, 0.4)
    assert masks["a"].tolist() == [True, True, True] and masks["b"].tolist() == [False, False]


def test_masks_of_rising_sparsity_are_nested():
    scores = {"w": torch.randn(1000, generator=generator(1, "scores"))}
    levels = [keep_top(scores, s)["w"] for s in (0.2, 0.5, 0.8)]
    assert all((later <= earlier).all() for earlier, later in pairwise(levels))


@pytest.mark.parametrize("sparsity", [1.0, -0.1, float("nan")])
def test_sparsity_outside_its_range_is_refused(sparsity):
    with pytest.raises(ValueError, match=r"sparsity must be in \[0, 1\), got"):
        keep_top({"w": torch.ones(3)}, sparsity)


def test_scores_that_are_not_finite_are_named():
    with pytest.raises(ValueError, match="scores of 'b' are not all finite"):
        keep_top({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])}, 0.5)


def test_no_scores_are_refused():
    with pytest.raises(ValueError, match="no scores"):
        keep_top({}, 0.5)


def test_every_convolution_and_linear_weight_is_prunable_and_nothing_else():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 4, 1), nn.Linear(2, 2)))
    assert list(prunable(net)) == ["0.weight", "2.0.weight", "2.1.weight"]


def test_project_zeroes_in_place_and_sparsity_counts():
    layer = nn.Linear(4, 1)
    masks = {"weight": torch.tensor([[True, False, True, False]])}
    project(layer, masks)
    assert (layer.weight[~masks["weight"]] == 0).all() and (layer.weight[masks["weight"]] != 0).all()
    assert sparsity_of(masks) == 0.5 and sparsity_of(ones(prunable(layer))) == 0 and sparsity_of({}) == 0


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_projection_has_the_bits_of_a_product_with_each_mask(layout):
    """Signs of zero and what is no number included."""
    layer = nn.Conv2d(3, 5, 3).to(memory_format=layout)
    with torch.no_grad():
        layer.weight[0, 0, 0] = torch.tensor([-0.0, float("nan"), -1.0])
    mask = torch.rand(layer.weight.shape, generator=generator(0, "mask")) > 0.5
    expected = layer.weight.detach() * mask
    project(layer, {"weight": mask})
    assert torch.equal(layer.weight.detach().view(torch.int32), expected.view(torch.int32))
    assert layer.weight.is_contiguous(memory_format=layout)
    project(layer, {})


def test_streams_are_apart_and_global_state_is_restored():
    assert derive(0, "host") != derive(0, "head") != derive(1, "head")
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="inside"), seeded(3, "host"):
        first = torch.rand(2)
        raise RuntimeError("inside")
    assert torch.equal(torch.get_rng_state(), before)
    with seeded(3, "host"):
        assert torch.equal(torch.rand(2), first)
