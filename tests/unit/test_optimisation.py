"""Optimisers and schedules against the numbers of the released recipes."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tickets.training.network import Network
from tickets.training.optimisation import Schedule, optimizer
from tickets.training.settings import Settings

STAIRCASE = Settings(350, 0.032, schedule="staircase", decay=0.97, falls=(2.4 / 350,), warmup=5 / 350)
MULTISTEP = Settings(210, 0.001, schedule="multistep", decay=0.1, falls=(170 / 210, 200 / 210))


def of(layer: nn.Module) -> Network:
    """A network whose only parameters are a layer's."""
    return Network(layer, nn.Identity())


def rates(settings: Settings) -> list[float]:
    """The learning rate of every step."""
    made = optimizer(of(nn.Linear(2, 2)), settings)
    schedule, found = Schedule(made, settings), []
    for step in range(settings.steps):
        schedule.advance(step)
        found.append(made.param_groups[0]["lr"])
    return found


def test_one_cycle_climbs_from_a_25th_for_30_percent_and_falls():
    found = rates(Settings(100, 0.04))
    assert found[0] == pytest.approx(0.04 / 25)
    assert max(found) == pytest.approx(0.04, rel=1e-3) and found.index(max(found)) in (29, 30)
    assert found[-1] < 0.04 / 1000


def test_the_staircase_climbs_from_half_and_falls_by_3_percent():
    """A step an epoch: 0.016 to 0.032 in five epochs, then x 0.97 every two (2.4 rounded to whole steps)."""
    found = rates(STAIRCASE)
    assert found[0] == pytest.approx(0.016) and found[1] == pytest.approx(0.032 * 0.6)
    assert found[6] == pytest.approx(0.032 * 0.97**3) and found[7] == found[6]
    assert found[349] == pytest.approx(0.032 * 0.97**174)


def test_the_multistep_falls_tenfold_at_170_and_200_of_210():
    found = rates(MULTISTEP)
    assert [found[i] for i in (0, 169, 170, 199, 200, 209)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])


@pytest.mark.parametrize("settings", [Settings(40, 0.1), replace(STAIRCASE, steps=40), replace(MULTISTEP, steps=40)])
def test_a_schedule_goes_on_where_it_stood(settings):
    whole = rates(settings)
    made = optimizer(of(nn.Linear(2, 2)), settings)
    first = Schedule(made, settings)
    first.advance(17)
    again = optimizer(of(nn.Linear(2, 2)), settings)
    second = Schedule(again, settings)
    for group, other in zip(again.param_groups, made.param_groups, strict=True):
        group.update({key: value for key, value in other.items() if key != "params"})
    second.load_state_dict(first.state_dict())
    for step in range(17, 40):
        second.advance(step)
        assert again.param_groups[0]["lr"] == whole[step]


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
