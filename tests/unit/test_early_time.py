"""Early-time tickets: which time steps a probe chooses, what runs at which, what it costs, the released quirks."""

import math
from dataclasses import replace

import pytest
import torch
from asked import config
from torch import nn
from toy import TIMED, ToySource

from tickets.contract.watch import Interrupted, Stopping
from tickets.drawers import DRAWERS, early_time
from tickets.drawers.base import AFTER, BEFORE, Request
from tickets.drawers.early_time import EarlyTimeBird, EarlyTimeRewinding, enough
from tickets.errors import UserError
from tickets.ticket import Ticket
from tickets.training.checkpoint import Checkpoint
from tickets.training.loop import Training
from tickets.training.settings import Settings

BATCH = 8
REQUEST = Request(TIMED, ToySource(batch_size=BATCH), Settings(40, 0.02, calibration_batches=1), 0.5, 0)
"""Three trainings of 14 steps, the second and the third from step 1 on."""


def forward(steps):
    """MACs of a 16x16 image, and head, at so many time steps."""
    return 216 * 64 + steps * (576 * 64 + 576 * 16) + 32


@pytest.fixture
def three(monkeypatch):
    """The probe chooses three time steps of four."""
    monkeypatch.setattr(early_time, "enough", lambda *found: 3)


@pytest.fixture
def steps(monkeypatch):
    """(round, step, time steps) of every step that is trained."""
    seen = []
    step = Training._step

    def watched(self, batch):
        seen.append((self.memory["round"], self.step, self.network.host.timesteps))
        return step(self, batch)

    monkeypatch.setattr(Training, "_step", watched)
    return seen


# ---- what is chosen


@pytest.mark.parametrize(
    ("found", "scale", "chosen"),
    [
        ({2: 1.0, 3: 0.5}, "first", 3),
        ({2: 1.0, 3: 0.7}, "first", 4),
        ({2: 0.0, 3: 0.0}, "first", 2),  # nothing differs
        ({2: 0.0, 3: 0.0}, "largest", 2),
        ({2: 0.5, 3: 1.0}, "first", 4),  # 3 is twice as far as 2
        ({2: 0.5, 3: 1.0}, "largest", 2),  # SN-1: divided by the largest
        ({2: math.nan, 3: math.nan}, "first", 4),
    ],
)
def test_the_first_candidate_that_is_near_enough_is_chosen(found, scale, chosen):
    assert enough(found, 4, 0.6, scale) == chosen


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("early_time", 0.9 * math.log(1.8) + 0.1 * math.log(0.2)),  # KL(P_t || P_T)
        ("early_time/as_released", 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)),  # SN-11: KL(P_T || P_t)
    ],
)
def test_the_divergence_is_the_source_s_imitation_in_the_paper_s_direction_or_the_release_s(name, wanted, monkeypatch):
    """P_2 is (.9, .1), P_3 and P_T are (.5, .5)."""
    said = {2: [2 * math.log(3), 0.0], 3: [0.0, 0.0], 4: [0.0, 0.0]}
    drawer = DRAWERS.make(name)
    training = drawer.begin(REQUEST, drawer.trainings(40, 0.5)[0], None)

    def outputs(self, training, steps, count):
        return [torch.tensor([said[steps]] * BATCH)] * count

    monkeypatch.setattr(early_time.EarlyTime, "_outputs", outputs)
    found = drawer.divergences(training, 4)
    assert found == {2: pytest.approx(wanted, abs=1e-6), 3: 0.0}
    drawer.do_probe(training)
    assert training.network.host.timesteps == 3 and training.memory["timesteps"]["drawn"] == 3


# ---- what runs when


def test_all_but_the_last_training_run_at_the_chosen_steps(three, steps):
    """The rewind point is that of step 1 of the first, behind the probe."""
    ticket = EarlyTimeRewinding(images=16).draw(REQUEST)
    assert steps[:2] == [(0, 0, 4), (0, 1, 3)] and len(steps) == 14 + 13 + 13
    assert {(number, at) for number, _, at in steps[1:]} == {(0, 3), (1, 3), (2, 4)}
    assert ticket.provenance["timesteps"] | {"divergences": None} == {"full": 4, "drawn": 3, "divergences": None}
    assert ticket.build().timesteps == 4


def test_what_is_spent_is_a_hand_count(three):
    """Steps are three forward passes an image; the probe 16 images at 2, 3 and 4 steps; three recalibrations at 4."""
    spent = EarlyTimeRewinding(images=16).draw(REQUEST).provenance["spent"]
    trained = 3 * ((1 + 13) * forward(4) + (13 + 13) * forward(3))
    probed = 16 * (forward(2) + forward(3) + forward(4))
    assert spent["macs"] == BATCH * trained + probed + 3 * BATCH * forward(4)
    assert spent["images"] == BATCH * (14 + 13 + 13) + 3 * 16 + 3 * BATCH


def test_equal_macs_give_cheaper_steps_more_of_them(three, steps):
    """A round is 14 steps of the full network; 13 in the second at 4 steps are 17 at 3."""
    spent = EarlyTimeRewinding(images=8).draw(replace(REQUEST, settings=replace(REQUEST.settings, equal="macs")))
    counts = [sum(number == one for number, *_ in steps) for one in range(3)]
    assert counts == [1 + math.ceil(13 * forward(4) / forward(3)), math.ceil(13 * forward(4) / forward(3)), 13]
    assert spent.provenance["timesteps"]["drawn"] == 3


def test_the_probe_comes_after_ten_steps_and_no_later_than_the_rewind_point():
    def first(steps, **options):
        events = EarlyTimeRewinding(**options).trainings(steps, 0.9)[0].events
        return [(event.do, event.step) for event in events if event.do in ("probe", "save")]

    assert first(400) == [("probe", 7), ("save", 7)]
    assert first(4000) == [("probe", 10), ("save", 69)]
    assert first(400, share=5.0) == [("probe", 14), ("save", 100)]
    assert first(400, rewind=0.0) == [("save", 0), ("probe", 10)]


def test_the_early_bird_s_search_is_at_the_chosen_steps_and_its_ticket_is_trained_at_all(three, steps):
    ticket = EarlyTimeBird(images=8, tolerance=0.99).draw(REQUEST)
    assert ticket.provenance["search"]["settled"] and ticket.provenance["timesteps"] is None  # it was over before
    assert {at for *_, at in steps} == {4}
    steps.clear()
    ticket = EarlyTimeBird(images=8, tolerance=1e-9).draw(REQUEST)
    assert [at for *_, at in steps] == [4] * 10 + [3] * 10 + [4] * 20 and ticket.provenance["timesteps"]["drawn"] == 3


@pytest.mark.parametrize("after", [1, 2, 14, 15, 16, 28])
def test_it_goes_on_between_probe_and_next_round_and_anywhere(after, tmp_path, three):
    drawer = DRAWERS.make("early_time", {"images": 8})
    whole = drawer.draw(REQUEST)
    with pytest.raises(Interrupted):
        drawer.draw(replace(REQUEST, checkpoint=Stopping(tmp_path / "c", after)))
    ticket = drawer.draw(replace(REQUEST, checkpoint=Checkpoint(tmp_path / "c")))
    assert ticket.hash == whole.hash
    ticket.save(tmp_path / "ticket")
    assert Ticket.load(tmp_path / "ticket").build().timesteps == 4


# ---- scores, and what else differs from the release


@pytest.mark.parametrize(("name", "at"), [("early_time", 4), ("early_time/as_released", 3)])
def test_scores_around_the_last_pruning_are_of_all_time_steps_or_of_the_chosen(name, at, three):
    """SN-4: as released, intermediate tickets are scored at T'."""
    seen = []

    class Noting(ToySource):
        """Notes the time steps of what it scores."""

        def score(self, network, split):
            """As ever."""
            seen.append(network.host.timesteps)
            return super().score(network, split)

    ticket = DRAWERS.make(name, {"images": 8}).draw(replace(REQUEST, source=Noting(batch_size=BATCH)))
    assert seen == [at, at, 4] and set(ticket.provenance["scores"]) == {BEFORE, AFTER}  # the last one: rates


@pytest.mark.parametrize(("name", "moves"), [("early_time", False), ("early_time/as_released", True)])
def test_the_probe_leaves_running_statistics_or_moves_them(name, moves, three):
    """SN-2: at each number of time steps, batch by batch."""
    drawer = DRAWERS.make(name, {"images": 16})
    training = drawer.begin(REQUEST, drawer.trainings(40, 0.5)[0], None)
    norms = [module for module in training.network.modules() if isinstance(module, nn.BatchNorm2d)]
    drawer.do_probe(training)
    assert [int(norm.num_batches_tracked) for norm in norms] == ([6, 18, 18] if moves else [0, 0, 0])
    assert all(bool(norm.running_mean.any()) == moves for norm in norms)


@pytest.mark.parametrize(("name", "ratio"), [("early_time", 1.0), ("early_time/as_released", 0.75)])
def test_the_loss_at_fewer_steps_is_divided_by_them_or_by_all(name, ratio, three, monkeypatch):
    """SN-3."""
    seen = []
    loss = early_time.EarlyTime.loss

    def watched(self, training, told):
        found = loss(self, training, told)
        plain = training.source.loss(told.outputs, told.batch)
        seen.append((training.network.host.timesteps, float((found / plain).detach())))
        return found

    monkeypatch.setattr(early_time.EarlyTime, "loss", watched)
    DRAWERS.make(name, {"images": 8}).draw(REQUEST)
    assert {at for at, _ in seen} == {3, 4}
    assert all(found == pytest.approx(ratio if at == 3 else 1.0) for at, found in seen)


def test_batch_norms_see_each_step_by_itself_as_released_while_it_draws(three):
    """SN-15: a drawing of the host with that option is the same; the ticket's host is as it was asked for."""
    released = DRAWERS.make("early_time/as_released", {"images": 8})
    ticket = released.draw(REQUEST)
    other = replace(released, bn="host").draw(replace(REQUEST, spec=replace(TIMED, bn="step")))
    joint = replace(released, bn="host").draw(REQUEST)
    name = "stages.1.0.layer.conv.weight"
    assert torch.equal(ticket.host.raw[name], other.host.raw[name]) and ticket.build().bn == "joint"
    assert not torch.equal(ticket.host.raw[name], joint.host.raw[name])


# ---- refusals


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"host": "supernet/tiny"},
            "early_time needs a host with time steps, and supernet/tiny has none; use spiking/",
        ),
        ({"host": "spiking/tiny_relu"}, "early_time needs a host with time steps, and spiking/tiny_relu has none; use"),
        (
            {"host": "timm/resnet18"},
            "early_time needs a host with time steps, and timm/resnet18 has none; use spiking/",
        ),
        (
            {"host": "spiking/tiny@timesteps=2"},
            "have nothing to lower: the host runs 2 time steps, and candidates start at 2; use one of at least 3",
        ),
    ],
)
def test_a_host_without_time_steps_to_lower_is_refused_before_anything_is_drawn(asked, said):
    with pytest.raises(UserError) as error:
        config(drawer="early_time", **asked)
    assert said in str(error.value)
    assert config(host="spiking/tiny", drawer="early_time").sweeps[0].drawers == ("early_time",)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("threshold=1.3", "threshold is 1.3; a normalised divergence is at most 1, give a number in (0, 1]"),
        ("threshold=0", "threshold is 0; a normalised divergence"),
        ("probe=1", "probe is 1; it is a fraction of the first training, above 0 and below 1"),
        ("least=0", "least is 0; give a whole number of at least 1"),
        ("images=0", "images is 0; give a whole number of at least 1"),
        ("rounds=0", "rounds is 0; give a whole number of at least 1"),
    ],
)
def test_options_are_checked(option, said):
    with pytest.raises(UserError) as error:
        DRAWERS.resolve(f"early_time@{option}")
    assert said in str(error.value)


def test_a_drawing_from_a_host_that_planning_did_not_see_is_refused_too():
    with pytest.raises(UserError, match="need a host with time steps, and one of the kind spiking has none; use"):
        EarlyTimeRewinding().check(replace(TIMED, neuron="relu"), 0.5)
