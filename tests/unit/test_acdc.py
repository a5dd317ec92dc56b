"""AC/DC: its phases by hand, what comes back in a dense one, what it costs, that it can be interrupted."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from toy import OneConvSpec, ToySource

from tickets.contract.watch import Interrupted, Stopping
from tickets.drawers import DRAWERS
from tickets.drawers.acdc import AlternatingCompression
from tickets.drawers.base import AFTER, BEFORE, Request
from tickets.errors import UserError
from tickets.training.checkpoint import Checkpoint
from tickets.training.events import Event
from tickets.training.settings import Settings

REQUEST = Request(OneConvSpec(), ToySource(), Settings(20, 0.02, calibration_batches=1), 0.5, 0)
"""Of 20 steps, steps 3, 5, ... 15 are sparse, and 18 to 20."""
SPARSE = {3, 5, 7, 9, 11, 13, 15, 18, 19, 20}


@dataclass(frozen=True)
class Watched(AlternatingCompression):
    """Keeps what was seen.

    Args:
        masks: how many weights are removed, by step.
        pruned: masks of all prunings.
        returned: largest values of what came back and of the first moments, at each reset.
    """

    gone: dict[int, int] = field(default_factory=dict)
    pruned: list[torch.Tensor] = field(default_factory=list)
    returned: list[tuple[float, float]] = field(default_factory=list)

    def after_step(self, training):
        """Under which masks the step was made."""
        self.gone[training.step + 1] = sum(int((~m).sum()) for m in training.network.masks.values())

    def do_prune(self, training, sparsity):
        """As ever, watched."""
        super().do_prune(training, sparsity)
        self.pruned.append(training.network.masks["host.conv.weight"])

    def do_reset(self, training):
        """As ever, watched."""
        weight = training.network.host.conv.weight
        before = training.optimizer.state[weight]["exp_avg"].abs().max()
        super().do_reset(training)
        back = weight.detach()[~self.pruned[-1]].abs().max()
        after = max(state["exp_avg"].abs().max() for state in training.optimizer.state.values())
        assert before > 0 and training.optimizer.state[weight]["exp_avg_sq"].any()
        self.returned.append((float(back), float(after)))


def steps_of(drawer, steps):
    """The steps of its prunings and those of its resets."""
    events = drawer.events(steps, 0.9)
    return tuple([event.step for event in events if event.do == do] for do in ("prune", "reset"))


def test_the_published_phases_in_epochs():
    """ImageNet: prunings every 10 of 100 epochs from 10 to 70, and at 85; all back every 10 from 15 to 75."""
    assert steps_of(AlternatingCompression(), 100) == ([10, 20, 30, 40, 50, 60, 70, 85], [15, 25, 35, 45, 55, 65, 75])
    cifar = AlternatingCompression(warm_up=0.05, phase=0.1)
    assert steps_of(cifar, 200) == ([10, 50, 90, 130, 170], [30, 70, 110, 150])
    assert AlternatingCompression().events(100, 0.9)[-4:] == (
        Event(75, "reset"),
        Event(85, "evaluate", {"label": BEFORE}),
        Event(85, "prune", {"sparsity": 0.9}),
        Event(85, "evaluate", {"label": AFTER}),
    )


def test_phases_are_sparse_and_dense_by_turns_and_the_end_is_sparse():
    """At a rate at which what came back at zero may win a place in a step."""
    drawer = Watched()
    ticket = drawer.draw(replace(REQUEST, settings=replace(REQUEST.settings, learning_rate=0.2)))
    assert drawer.gone == {step: 54 if step in SPARSE else 0 for step in range(1, 21)}
    assert torch.equal(ticket.host.masks["conv.weight"], drawer.pruned[-1]) and ticket.kept == 54
    assert any(not torch.equal(mask, drawer.pruned[0]) for mask in drawer.pruned)


def test_what_comes_back_is_zero_and_momenta_start_anew():
    drawer = Watched()
    drawer.draw(REQUEST)
    assert drawer.returned == [(0.0, 0.0)] * 7


def test_it_costs_one_training_of_which_the_sparse_phases_are_sparse():
    """By hand: 3 passes of 64 positions x 108 or 54 weights and a head of 8, for 8 images a step."""
    spent = DRAWERS.make("acdc").draw(REQUEST).provenance["spent"]
    assert spent["macs"] == 3 * 8 * 20 * (64 * 108 + 8)
    assert spent["sparse_macs"] == 3 * 8 * 10 * (64 * 108 + 8 + 64 * 54 + 8)


@pytest.mark.parametrize("step", [5, 6, 17])
def test_killed_in_a_sparse_or_a_dense_phase_it_goes_on_to_the_same_ticket(tmp_path, step):
    drawer = DRAWERS.make("acdc")
    with pytest.raises(Interrupted):
        drawer.draw(replace(REQUEST, checkpoint=Stopping(tmp_path / "draw", step)))
    checkpoint = Checkpoint(tmp_path / "draw")
    assert checkpoint.state["step"] == step
    assert drawer.draw(replace(REQUEST, checkpoint=checkpoint)).hash == drawer.draw(REQUEST).hash


@pytest.mark.parametrize(
    "options", [{"phase": 0.0}, {"warm_up": -0.1}, {"stop": 0.9}, {"last": 1.1}, {"warm_up": 0.72}]
)
def test_mistakes(options):
    (name, value), *_ = options.items()
    with pytest.raises(
        UserError, match=rf"{name} {value}\b.* are fractions of training with 0 <= warm_up, 0 < phase and"
    ):
        AlternatingCompression(**options)
