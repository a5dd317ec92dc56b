"""Rounds of a draw: each has the learning rate and the schedule that it asks for, or those of the request."""

from dataclasses import dataclass

import pytest
from toy import SPEC, ToySource

from tickets.drawers.base import Drawer, Request, Round
from tickets.training.settings import Settings

REQUEST = Request(SPEC, ToySource(), Settings(8, 0.02, schedule="multistep", falls=(0.5,), calibration_batches=1), 0, 0)


@dataclass(frozen=True)
class Noting(Drawer):
    """Two rounds of four steps, the first at a rate of its own; notes the rate of every step."""

    def trainings(self, steps, sparsity):
        """Without events."""
        return [Round(4, rate=0.1, schedule="constant"), Round(4)]

    def after_step(self, training):
        """The rate that the step was made with."""
        training.memory.setdefault("rates", []).append(training.optimizer.param_groups[0]["lr"])


def test_a_round_trains_at_its_own_rate_and_the_next_by_the_request():
    rates = Noting().train(REQUEST).memory["rates"]
    assert rates == pytest.approx([0.002] * 4 + [0.02, 0.02, 0.002, 0.002])


def test_a_round_that_asks_for_nothing_has_the_settings_of_the_request_to_the_last_bit():
    settings = Settings(3, 0.1 + 0.2, schedule="staircase", falls=(0.3,), warmup=0.1)
    assert Round(3).settings(settings) == settings
