"""Heads: sizes, seeds, and the equality that makes the dense head cheap."""

import pytest
import torch
import torch.nn.functional as F

from tasks.heads.light import Classifier, DenseHead

FEATURES = [(6, 4), (10, 8), (12, 16)]


def maps(features=FEATURES, size=(48, 64), batch=3):
    g = torch.Generator().manual_seed(0)
    return [torch.randn(batch, w, size[0] // s, size[1] // s, generator=g) for w, s in features]


def test_classifier_is_a_linear_layer_on_averages():
    head = Classifier(FEATURES, 7)
    averages = torch.cat([m.flatten(2).mean(2) for m in maps()], 1)
    assert torch.allclose(head(maps()), averages @ head.predict.weight.T + head.predict.bias, atol=1e-6)


def test_dense_head_gives_the_finest_size_for_any_order_and_number_of_maps():
    assert DenseHead(FEATURES, 5)(maps()).shape == (3, 5, 12, 16)
    reverse = FEATURES[::-1]
    assert DenseHead(reverse, 5)(maps(reverse)).shape == (3, 5, 12, 16)
    assert DenseHead(FEATURES[:1], 5)(maps()[:1]).shape == (3, 5, 12, 16)
    odd = [(4, 2), (4, 32)]
    assert DenseHead(odd, 5)(maps(odd, size=(64, 96))).shape == (3, 5, 32, 48)


def test_dense_head_equals_convolving_the_concatenation():
    """Two maps: one step of upsampling, so exactly the concatenation's 1x1 convolution."""
    features = FEATURES[:2]
    head = DenseHead(features, 5).eval()
    fine, coarse = maps(features)
    stacked = torch.cat([fine, F.interpolate(coarse, fine.shape[2:], mode="bilinear", align_corners=False)], 1)
    weight = torch.cat([head.project[0].weight, head.project[1].weight], 1)
    expected = head.predict(F.relu(head.norm(F.conv2d(stacked, weight))))
    assert torch.allclose(head([fine, coarse]), expected, atol=1e-5)


@pytest.mark.parametrize("build", [Classifier, DenseHead])
def test_seeded_and_trainable(build):
    torch.manual_seed(5)
    first = build(FEATURES, 4)
    torch.manual_seed(5)
    second = build(FEATURES, 4)
    assert torch.equal(first(maps()), second(maps()))
    first(maps()).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in first.parameters())


def test_dense_head_keeps_channels_last():
    head = DenseHead(FEATURES, 5).to(memory_format=torch.channels_last)
    out = head([m.to(memory_format=torch.channels_last) for m in maps()])
    assert out.is_contiguous(memory_format=torch.channels_last)
