"""Early-bird tickets: when a search ends, what it costs, what is trained then; a training that is stopped."""

from dataclasses import dataclass, replace

import pytest
import torch
from toy import SPEC, OneConvSpec, ToySource

from tickets.contract.watch import Interrupted, Stopping
from tickets.cost import dense_macs, layer_costs
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.drawers.early_bird import EarlyBird, distance
from tickets.errors import UserError
from tickets.training.checkpoint import Checkpoint
from tickets.training.events import Event
from tickets.training.loop import Training
from tickets.training.method import Method
from tickets.training.network import Network
from tickets.training.settings import Settings

STEPS, BATCH = 20, 8
REQUEST = Request(OneConvSpec(), ToySource(batch_size=BATCH), Settings(STEPS, 0.02, calibration_batches=1), 0.5, 0)
FORWARD = 108 * 64 + 8
"""MACs of a 16x16 image through the convolution and the head; without batch norms nothing is recalibrated."""


@dataclass(frozen=True)
class Sure(EarlyBird):
    """Finds the same mask from a step on, and before that another one every time."""

    since: int = 0

    def choose(self, training, sparsity):
        """Half of the weights."""
        first = training.step if training.step < self.since else 0
        return {"host.conv.weight": (torch.arange(108).roll(10 * first) < 54).view(4, 3, 3, 3)}


def test_the_distance_of_two_masks_is_the_share_of_weights_in_which_they_differ():
    one, other = ({"a": torch.tensor(m).bool()} for m in ([1, 1, 0, 0], [1, 0, 1, 0]))
    assert distance(one, other) == 0.5 and distance(one, one) == 0
    assert distance(one | {"b": torch.ones(4).bool()}, other | {"b": torch.ones(4).bool()}) == 0.25


@pytest.mark.parametrize(("since", "ends"), [(0, 4), (3, 7)])
def test_a_search_ends_when_the_newest_of_five_masks_is_that_of_all_others(since, ends):
    """Looks at step 0, 1, 2 ...: five equal ones are there at step 4, not earlier."""
    found = Sure(since=since).draw(REQUEST)
    assert found.provenance["search"] == {"settled": True, "distance": 0.0, "unused": STEPS // 2 - ends}
    assert found.provenance["spent"]["images"] == BATCH * STEPS
    assert found.provenance["spent"]["macs"] == BATCH * STEPS * 3 * FORWARD
    assert torch.equal(found.host.masks["conv.weight"].flatten(), torch.arange(108) < 54)


def test_a_search_that_does_not_settle_ends_at_its_longest_and_tells():
    found = Sure(since=99, longest=0.25).draw(REQUEST)
    assert found.provenance["search"] == {"settled": False, "distance": 80 / 108, "unused": 0}
    assert found.provenance["spent"]["macs"] == BATCH * STEPS * 3 * FORWARD


def test_the_search_trains_at_twice_the_rate_and_the_ticket_from_the_first_weights_by_the_whole_schedule(monkeypatch):
    seen = []
    step = Training._step

    def watched(self, batch):
        weight = self.network.host.conv.weight.detach().clone()
        seen.append(
            (self.memory["round"], self.step, self.settings.steps, self.optimizer.param_groups[0]["lr"], weight)
        )
        return step(self, batch)

    monkeypatch.setattr(Training, "_step", watched)
    found = Sure().draw(REQUEST)
    assert [one[:3] for one in seen] == [(0, n, 10) for n in range(4)] + [(1, n, 16) for n in range(16)]
    assert {one[3] for one in seen[:4]} == {0.04} and max(one[3] for one in seen[4:]) == pytest.approx(0.02, rel=0.1)
    first = OneConvSpec().initial(0).state_dict()["conv.weight"]
    assert torch.equal(found.host.rewind["conv.weight"], first) and torch.equal(seen[0][4], first)
    assert torch.equal(seen[4][4], first * found.host.masks["conv.weight"])


def test_equal_macs_leave_the_training_what_the_search_did_not_use():
    found = Sure().draw(replace(REQUEST, settings=replace(REQUEST.settings, equal="macs")))
    assert found.provenance["spent"]["macs"] == BATCH * STEPS * 3 * FORWARD


@pytest.mark.parametrize("after", [2, 4, 5, 6])
def test_it_goes_on_after_an_interruption_in_and_behind_the_search(after, tmp_path):
    """The fourth state is that of the stopped search, the fifth that of the ticket before its first step."""
    whole = Sure().draw(REQUEST)
    with pytest.raises(Interrupted):
        Sure().draw(replace(REQUEST, checkpoint=Stopping(tmp_path / "c", after)))
    assert Sure().draw(replace(REQUEST, checkpoint=Checkpoint(tmp_path / "c"))).hash == whole.hash


def test_it_draws_from_any_host_by_magnitude():
    ticket = DRAWERS.make("early_bird").draw(replace(REQUEST, spec=SPEC))
    assert ticket.prunable - ticket.kept == round(0.5 * ticket.prunable) and ticket.provenance["scores"]


class Tired(Method):
    """Stops at its event."""

    def do_rest(self, training):
        """No more."""
        training.stop()


def test_a_stopped_training_is_over_and_stays_so(tmp_path):
    def training():
        host = OneConvSpec().initial(0)
        network = Network(host, REQUEST.source.head(host.features))
        return Training(network, REQUEST.source, REQUEST.settings, 0, Tired(), [Event(3, "rest"), Event(5, "rest")])

    told = []
    first = training()
    with pytest.raises(Interrupted):
        first.run(Stopping(tmp_path / "c", 3))
    assert first.step == 3 and first.is_stopped
    again = training()
    again.run(Checkpoint(tmp_path / "c"), told.append)
    assert again.step == 3 and again.spent.macs == 3 * BATCH * 3 * dense_macs(layer_costs(again.network, (16, 16)))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("tolerance=0", "tolerance is 0; no two masks of a training network are equal for ever, give a share above 0"),
        ("patience=1", "patience is 1; a mask is held against older ones, give at least 2"),
        ("every=0", "every is 0 and longest 0.5; they are shares of the draw's steps, above 0, and longest is below 1"),
        ("longest=1", "every is 0.01 and longest 1;"),
        ("rate=0", "rate is 0; it is a factor on the peak learning rate, give one above 0"),
    ],
)
def test_options_are_checked(option, said):
    with pytest.raises(UserError) as error:
        DRAWERS.resolve(f"early_bird@{option}")
    assert said in str(error.value)
