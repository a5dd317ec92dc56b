"""The learning rate of every step: numbers of the released recipes, and mmengine's schedulers bit by bit."""

import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

from tickets.training.schedule import Schedule
from tickets.training.settings import Settings

STAIRCASE = Settings(350, 0.032, schedule="staircase", decay=0.97, falls=(2.4 / 350,), warmup=5 / 350)
MULTISTEP = Settings(210, 0.001, schedule="multistep", decay=0.1, falls=(170 / 210, 200 / 210))


def adam(settings: Settings) -> torch.optim.Optimizer:
    """Two groups, the second with a peak of its own."""
    first, second = ({"params": [nn.Parameter(torch.zeros(1))]} for _ in range(2))
    return torch.optim.Adam([first, {**second, "lr": 0.37 * settings.learning_rate}], lr=settings.learning_rate)


def rates(settings: Settings) -> list[float]:
    """The learning rate of every step."""
    made = adam(settings)
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


def test_the_share_of_the_first_moment_is_what_pytorchs_one_cycle_makes_it():
    """0.95 down to 0.85 where the rate is highest and up again, bit by bit; elsewhere it stays."""
    settings = Settings(99, 0.04, beta_range=(0.95, 0.85))
    ours, theirs = adam(settings), torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.04)
    schedule = Schedule(ours, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a scheduler that moves before its optimiser
        other, found = torch.optim.lr_scheduler.OneCycleLR(theirs, 0.04, total_steps=100), []
        for step in range(99):
            schedule.advance(step)
            assert ours.param_groups[1]["betas"] == theirs.param_groups[0]["betas"]
            found.append(ours.param_groups[0]["betas"][0])
            other.step()
    assert (found[0], min(found)) == (0.95, pytest.approx(0.85)) and found.index(min(found)) == 29
    assert found[-1] == pytest.approx(0.95, abs=1e-3)
    for name in ("multistep", "constant"):
        made = adam(fixed := replace(settings, schedule=name, falls=(0.5,)))
        Schedule(made, fixed).advance(50)
        assert made.param_groups[0]["betas"] == (0.9, 0.999)


def test_a_constant_rate_is_the_peak_of_every_group_from_the_first_step_to_the_last():
    made = adam(settings := Settings(9, 0.04, schedule="constant", warmup=0.5))
    schedule = Schedule(made, settings)
    for step in range(9):
        schedule.advance(step)
        assert rates_of(made) == [0.04, 0.37 * 0.04]


@pytest.mark.parametrize("settings", [Settings(40, 0.1), replace(STAIRCASE, steps=40), replace(MULTISTEP, steps=40)])
def test_a_schedule_goes_on_where_it_stood(settings):
    whole = rates(settings)
    made = adam(settings)
    first = Schedule(made, settings)
    first.advance(17)
    again = adam(settings)
    second = Schedule(again, settings)
    for group, other in zip(again.param_groups, made.param_groups, strict=True):
        group.update({key: value for key, value in other.items() if key != "params"})
    second.load_state_dict(first.state_dict())
    for step in range(17, 40):
        second.advance(step)
        assert again.param_groups[0]["lr"] == whole[step]


def by_mmengine(optimizer: torch.optim.Optimizer, settings: Settings) -> list:
    """mmengine's schedulers, as the project used them until it had its own."""
    from mmengine.optim import LinearLR, MultiStepLR, OneCycleLR, StepLR

    steps = settings.steps
    falls = [max(1, round(fall * steps)) for fall in settings.falls]
    if settings.schedule == "onecycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        parts = [OneCycleLR(optimizer, eta_max=peaks, total_steps=steps + 1)]
    elif settings.schedule == "staircase":
        parts = [StepLR(optimizer, falls[0], settings.decay)]
    else:
        parts = [MultiStepLR(optimizer, falls, settings.decay)]
    if settings.warmup:
        parts.append(LinearLR(optimizer, 0.5, end=max(1, round(settings.warmup * steps)) + 1))
    return parts


def rates_of(optimizer: torch.optim.Optimizer) -> list[float]:
    """The learning rate of each group."""
    return [group["lr"] for group in optimizer.param_groups]


@pytest.mark.filterwarnings("ignore:Detected call of `scheduler.step")
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 40, 399, 1600])
@pytest.mark.parametrize("warmup", [0.0, 0.1])
@pytest.mark.parametrize(
    "settings", [Settings(1, 1 / 3), replace(STAIRCASE, falls=(0.03,)), replace(MULTISTEP, falls=(0.5, 0.5001, 0.9))]
)
def test_every_rate_is_mmengines_to_the_last_bit(settings, warmup, steps):
    settings = replace(settings, warmup=warmup, steps=steps)
    ours, theirs = adam(settings), adam(settings)
    schedule, parts = Schedule(ours, settings), by_mmengine(theirs, settings)
    for step in range(steps + 2):  # steps of equal MACs may overshoot by one
        schedule.advance(step)
        while parts[0].last_step < step:
            for part in parts:
                part.step()
        assert rates_of(ours) == rates_of(theirs)


@pytest.mark.parametrize("settings", [Settings(60, 0.1), replace(STAIRCASE, steps=60), replace(MULTISTEP, steps=60)])
def test_a_jump_is_all_steps_in_between(settings):
    jumping, whole = adam(settings), rates(settings)
    schedule = Schedule(jumping, settings)
    for step in (1, 2, 9, 9, 30, 59):
        schedule.advance(step)
        assert jumping.param_groups[0]["lr"] == whole[step]


def test_a_checkpoint_of_mmengines_schedulers_is_gone_on_from():
    settings = replace(STAIRCASE, steps=40)
    theirs = adam(settings)
    with warnings.catch_warnings(action="ignore"):
        parts = by_mmengine(theirs, settings)
        for part in parts * 17:
            part.step()
    state = [{key: part.state_dict()[key] for key in ("last_step", "_global_step")} for part in parts]
    ours = adam(settings)
    schedule = Schedule(ours, settings)
    for group, saved in zip(ours.param_groups, theirs.param_groups, strict=True):
        group.update({key: value for key, value in saved.items() if key != "params"})
    schedule.load_state_dict(state)
    for step in range(17, 40):
        schedule.advance(step)
        assert ours.param_groups[0]["lr"] == rates(settings)[step]
