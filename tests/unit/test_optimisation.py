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


RATE, EPS, GRADIENT = 0.032, 1e-3, 0.01
STEPS = 60


def moved(optimizer_name, gradient=lambda step: GRADIENT, rate=lambda step: RATE):
    """How far a weight goes down in 60 steps of the released settings of classification."""
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.zero_()
    made = optimizer(of(layer), Settings(STEPS, RATE, weight_decay=0.0, optimizer=optimizer_name, eps=EPS))
    for step in range(STEPS):
        made.param_groups[0]["lr"] = rate(step)
        layer.weight.grad = torch.full((1, 1), gradient(step))
        made.step()
    return -layer.weight.item()


def test_the_released_rmsprop_goes_five_times_as_far_as_tensorflows_where_gradients_are_small():
    """Mean squares from 0 and from 1: 4.96 and 0.89, as measured on the release; each by its recurrence."""
    assert moved("rmsprop/as_released") == pytest.approx(4.96, abs=0.005)
    assert moved("rmsprop") == pytest.approx(0.89, abs=0.005)
    square = buffer = way = 0.0
    for _ in range(STEPS):
        square = 0.9 * square + 0.1 * GRADIENT**2
        buffer = 0.9 * buffer + GRADIENT / (square + EPS) ** 0.5
        way += RATE * buffer
    assert moved("rmsprop/as_released") == pytest.approx(way, rel=1e-5)


def test_the_released_rmsprop_follows_a_change_of_the_rate_at_once():
    """A gradient in the first step alone and the rate 0 from the second on: nothing moves any more."""
    once = {"gradient": lambda step: GRADIENT * (step == 0), "rate": lambda step: RATE * (step == 0)}
    first = RATE * GRADIENT / (0.1 * GRADIENT**2 + EPS) ** 0.5
    assert moved("rmsprop/as_released", **once) == pytest.approx(first, rel=1e-5)
    held = RATE * GRADIENT / (0.9 + 0.1 * GRADIENT**2 + EPS) ** 0.5
    assert moved("rmsprop", **once) == pytest.approx(held / (1 - 0.9), rel=0.01)  # the buffer pays it out


def test_the_released_rmsprop_has_l2_in_the_gradient_of_matrices_alone():
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, 2.0), nn.init.constant_(layer.bias, 5.0)
    made = optimizer(of(layer), Settings(1, 0.1, weight_decay=0.25, optimizer="rmsprop/as_released", eps=1e-3))
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    made.step()
    assert layer.weight.item() == pytest.approx(2 - 0.1 * 0.5 / (0.1 * 0.25 + 1e-3) ** 0.5)
    assert layer.bias.item() == 5


def test_what_came_later_is_stated_only_where_it_is_another_than_it_was():
    later = {"beta_range": (0.95, 0.85), "average_from": 1}
    usual, other = Settings(1, 0.01).to_json(), Settings(1, 0.01, **later).to_json()
    assert not later.keys() & usual.keys() and other == {**usual, **later}


def test_the_share_of_the_first_moment_is_stated_only_where_it_is_another_than_it_was():
    usual, other = (Settings(1, 0.01, beta=beta) for beta in (0.9, 0.5))
    assert "beta" not in usual.to_json() and other.to_json() == {**usual.to_json(), "beta": 0.5}
    for settings in (usual, other):
        groups = optimizer(of(nn.Linear(2, 2)), settings).param_groups
        assert [group["betas"] for group in groups] == [(settings.beta, 0.999)] * 2
