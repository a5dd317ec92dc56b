"""Optimisers against the numbers of the released recipes."""

import pytest
import torch
from torch import nn

from tickets.training.network import Network
from tickets.training.optimisation import optimizer
from tickets.training.settings import Settings


def of(layer: nn.Module) -> Network:
    """A network whose only parameters are a layer's."""
    return Network(layer, nn.Identity())


def test_weight_decay_is_an_l2_term_on_matrices_alone():
    """With a zero loss gradient, Adam's first step is lr x the sign of the L2 gradient; biases stay."""
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -2.0], [3.0, -4.0]]))
        layer.bias.fill_(5.0)
    made = optimizer(of(layer), Settings(10, 0.1, weight_decay=1e-2))
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    made.step()
    moved = torch.tensor([[1.0, -2.0], [3.0, -4.0]]) - layer.weight
    lr = made.param_groups[0]["lr"]
    assert torch.allclose(moved, lr * torch.tensor([[1.0, -1.0], [1.0, -1.0]]), rtol=1e-3)
    assert (layer.bias == 5).all()


def test_rmsprop_has_its_epsilon_inside_the_root():
    """TensorFlow's form: mean square from 1, 0.9 s + 0.1 g^2; step lr g / sqrt(s + eps)."""
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.zero_()
    settings = Settings(10, 0.1, weight_decay=0.0, optimizer="rmsprop", eps=0.5, schedule="multistep", falls=(0.9,))
    made = optimizer(of(layer), settings)
    layer.weight.grad = torch.full((1, 1), 2.0)
    made.step()
    assert layer.weight.item() == pytest.approx(-0.1 * 2 / (0.9 + 0.1 * 4 + 0.5) ** 0.5)


def test_the_share_of_the_first_moment_is_stated_only_where_it_is_another_than_it_was():
    usual, other = (Settings(1, 0.01, beta=beta) for beta in (0.9, 0.5))
    assert "beta" not in usual.to_json() and other.to_json() == {**usual.to_json(), "beta": 0.5}
    for settings in (usual, other):
        groups = optimizer(of(nn.Linear(2, 2)), settings).param_groups
        assert [group["betas"] for group in groups] == [(settings.beta, 0.999)] * 2
