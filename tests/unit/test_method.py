"""What rides on a training: the order within a step, gradients that live as long as they are asked for, events by
name, losses that look at maps, and rounds that go on from one another."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch
from toy import SPEC, ToySource, toy_network

from tickets.drawers import DRAWERS
from tickets.drawers.base import Drawer, Request, Round, last_prune
from tickets.errors import UserError
from tickets.pruning.masks import sparsity_of
from tickets.training.checkpoint import Checkpoint
from tickets.training.events import Event, actions
from tickets.training.loop import Training
from tickets.training.masking import Projection
from tickets.training.method import Method
from tickets.training.settings import Settings

SETTINGS = Settings(4, 0.02, weight_decay=0.0, calibration_batches=1)
REQUEST = Request(SPEC, ToySource(), SETTINGS, 0.8, 0)


class Watching(Projection):
    """Notes when it settles."""

    def __init__(self, log):
        super().__init__()
        self.log = log

    def settle(self, network):
        """As ever."""
        super().settle(network)
        self.log.append(("settle", 0, network.head.predict.weight.grad is not None))


class Told(Method):
    """Notes (place, step, whether gradients are alive) of all that it is told."""

    def __init__(self, log):
        self.log = log

    def note(self, training, place):
        """Add a line."""
        self.log.append((place, training.step, training.network.head.predict.weight.grad is not None))

    def loss(self, training, seen):
        """The source's."""
        self.note(training, "loss")
        return super().loss(training, seen)

    def on_gradient(self, training):
        """Noted."""
        self.note(training, "gradient")

    def after_step(self, training):
        """Noted."""
        self.note(training, "after")

    def do_look(self, training, label):
        """Noted under a label."""
        self.note(training, label)


def test_the_order_within_a_step_and_how_long_gradients_live(monkeypatch):
    """Loss, gradient, optimiser, after the step, masks, average, events; gradients are there until then."""
    log = []
    events = [Event(s, "look", {"label": label}) for s, label in ((0, "first"), (1, "one"), (1, "two"), (2, "last"))]
    network = toy_network(Watching(log))
    training = Training(network, ToySource(), replace(SETTINGS, steps=2), 0, Told(log), events)
    update, step = training.ema.update, training.optimizer.step
    monkeypatch.setattr(training.ema, "update", lambda n: (log.append(("average", 0, True)), update(n)))
    monkeypatch.setattr(training.optimizer, "step", lambda *a: (log.append(("step", 0, True)), step(*a))[1])
    training.run()

    def one(number):
        return [
            ("loss", number, False), ("gradient", number, True), ("step", 0, True), ("after", number, True),
            ("settle", 0, True), ("average", 0, True),
        ]  # fmt: skip

    assert log == [
        ("settle", 0, False), ("first", 0, False),
        *one(0), ("one", 1, True), ("two", 1, True),
        *one(1), ("last", 2, True),
    ]  # fmt: skip
    assert all(p.grad is None for p in network.parameters())


def test_gradients_may_be_changed_and_weights_after_the_step_are_still_masked_and_averaged():
    """Without gradients Adam moves nothing; what a hook writes after the step is settled before the average."""

    class Writing(Method):
        """Only the first layer moves, by hand."""

        def on_gradient(self, training):
            """No gradient at all."""
            for parameter in training.network.parameters():
                parameter.grad.zero_()

        @torch.no_grad()
        def after_step(self, training):
            """Ones everywhere, masked or not."""
            training.network.get_parameter("host.stem.0.weight").fill_(1.0)

    network = toy_network()
    mask = torch.arange(4 * 27).view(4, 3, 3, 3) % 2 == 0
    network.masks = {"host.stem.0.weight": mask}
    before = {n: p.detach().clone() for n, p in network.named_parameters() if n != "host.stem.0.weight"}
    training = Training(network, ToySource(), replace(SETTINGS, steps=1), 0, Writing())
    start = training.ema.values["host.stem.0.weight"].clone()
    training.run()
    parameters = dict(network.named_parameters())
    assert all(torch.equal(parameters[n], p) for n, p in before.items())
    assert torch.equal(parameters["host.stem.0.weight"], mask.float())
    averaged = training.ema.values["host.stem.0.weight"]
    torch.testing.assert_close(averaged, 0.1 * start + 0.9 * mask)  # decay min(.., 1/10) at the first update


def test_a_loss_sees_maps_outputs_and_batch():
    """One that looks at the maps alone gives the head no gradient; maps and outputs belong together."""
    seen_by = []

    class OnMaps(Method):
        """The mean square of the first map."""

        def loss(self, training, seen):
            """No output in it."""
            seen_by.append(seen)
            return seen.maps[0].square().mean()

        def on_gradient(self, training):
            """What has a gradient is kept."""
            training.aside["with"] = {n for n, p in training.network.named_parameters() if p.grad is not None}

    training = Training(toy_network(), ToySource(), replace(SETTINGS, steps=1), 0, OnMaps())
    weight = training.network.head.predict.weight.detach().clone()
    training.run()
    assert "host.stem.0.weight" in training.aside["with"] and not any("head" in n for n in training.aside["with"])
    (seen,) = seen_by
    assert [tuple(m.shape) for m in seen.maps] == [(8, 4, 4, 4), (8, 6, 2, 2)]
    assert torch.equal(training.network.head.predict.weight, weight)  # no gradient, no step
    assert torch.equal(training.network.head(seen.maps), seen.outputs)
    expected = ToySource().batch("train", 0)
    assert seen.batch.keys() == expected.keys() and torch.equal(seen.batch["image"], expected["image"])


def test_under_bfloat16_outputs_are_float32_and_maps_as_they_were_computed():
    class Looking(Method):
        """Notes types."""

        def loss(self, training, seen):
            """The source's."""
            training.aside["types"] = (seen.maps[0].dtype, seen.outputs.dtype)
            return super().loss(training, seen)

    training = Training(toy_network(), ToySource(), replace(SETTINGS, steps=1, precision="bfloat16"), 0, Looking())
    training.run()
    assert training.aside["types"] == (torch.bfloat16, torch.float32)


# ---- events


def test_actions_are_the_methods_of_that_prefix():
    assert set(actions(Drawer())) == {"evaluate", "prune", "reset", "save"}
    assert set(actions(DRAWERS.make("supertickets"))) == {"evaluate", "prune", "reset", "save", "shrink"}
    assert actions(Method()) == {}


def test_an_event_that_nobody_knows_is_refused_before_anything_is_trained():
    message = (
        r"^unknown event of Drawer at step 3 'prun'\. Did you mean 'prune'\? Known: evaluate, prune, reset, save\.$"
    )
    network = toy_network()
    with pytest.raises(UserError, match=message):
        Training(network, ToySource(), SETTINGS, 0, Drawer(), (Event(3, "prun", {"sparsity": 0.5}),))

    class Wrong(Drawer):
        """Plans what it cannot do."""

        def events(self, steps, sparsity):
            """One that is none."""
            return (Event(1, "grow"), *super().events(steps, sparsity))

    with pytest.raises(UserError, match=r"^unknown event of Wrong at step 1 'grow'\..* Known: evaluate, "):
        Wrong().draw(REQUEST)


@pytest.mark.parametrize("steps", [(5,), (-1,), (2, 1)])
def test_an_event_that_would_be_lost_or_late_is_refused(steps):
    """Events are taken in order, so that one behind a later one, or behind the end, would not be in its place."""
    with pytest.raises(UserError, match=r"^Drawer has the event 'reset' at step (5|-1|1), after one at step [02] and"):
        Training(toy_network(), ToySource(), SETTINGS, 0, Drawer(), [Event(step, "reset") for step in steps])


@pytest.mark.parametrize("name", ["supertickets", "supertickets/as_released", "gmp", "imp", "imp_pretrained", "omp"])
@pytest.mark.parametrize("steps", [1, 2, 5, 33, 400])
def test_every_drawer_plans_its_events_in_order_and_within_its_trainings(name, steps):
    for this in DRAWERS.make(name).trainings(steps, 0.9):
        at = [0, *(event.step for event in this.events), this.steps]
        assert all(earlier <= later for earlier, later in pairwise(at))


class Interrupted(Exception):
    """Stands for a kill."""


@dataclass
class Stopping(ToySource):
    """Ends the process's training after so many batches."""

    left: int = 0

    def batches(self, start, stop):
        """The same batches, up to a number."""
        for batch in super().batches(start, stop):
            if self.left == 0:
                raise Interrupted
            self.left -= 1
            yield batch


class Noting(Drawer):
    """Keeps in its memory at which steps it was told, and what the weights were."""

    def events(self, steps, sparsity):
        """At the very beginning, twice in the middle, at the end."""
        return [Event(step, "note") for step in (0, 2, 2, steps)]

    def do_note(self, training):
        """The step."""
        training.memory.setdefault("at", []).append(training.step)


@pytest.mark.parametrize("stop_after", [0, 1, 2, 3])
def test_an_event_at_step_0_happens_once_before_the_first_step_also_after_resuming(tmp_path, monkeypatch, stop_after):
    monkeypatch.setattr("tickets.training.checkpoint.EVERY_S", -1.0)
    drawer, file = Noting(), tmp_path / "draw.pt"
    assert drawer.train(REQUEST).memory["at"] == [0, 2, 2, 4]
    with pytest.raises(Interrupted):
        drawer.train(replace(REQUEST, source=Stopping(left=stop_after), checkpoint=Checkpoint(file)))
    assert drawer.train(replace(REQUEST, checkpoint=Checkpoint(file))).memory["at"] == [0, 2, 2, 4]


def test_a_training_that_begins_later_has_not_had_the_events_before_it():
    events = [Event(step, "note") for step in (0, 1, 2, 4)]
    training = Training(toy_network(), ToySource(), SETTINGS, 0, Noting(), events, step=2)
    training.run()
    assert training.memory["at"] == [2, 4] and training.spent.images == 2 * 8


# ---- rounds


class Twice(Drawer):
    """Train and prune to half of the sparsity, then go on and prune to all of it."""

    def trainings(self, steps, sparsity):
        """Two of the same length."""
        half = [Event(steps // 2, "prune", {"sparsity": sparsity / 2}), Event(steps // 2, "note")]
        return [Round(steps // 2, 0, half), Round(steps // 2, 0, [Event(0, "note"), *last_prune(steps // 2, sparsity)])]

    def do_note(self, training):
        """Weights and masks of now."""
        network = training.network
        training.memory.setdefault("at", []).append(
            {
                "weights": {n: p.detach().clone() for n, p in network.named_parameters()},
                "masks": {n: m.clone() for n, m in network.masks.items()},
                "step": training.step,
            }
        )


def test_a_round_goes_on_from_the_network_before_it():
    training = Twice().train(REQUEST)
    end, start = training.memory["at"]
    assert (end["step"], start["step"]) == (2, 0)
    assert all(torch.equal(start["weights"][n], w) for n, w in end["weights"].items())
    assert all(torch.equal(start["masks"][n], m) for n, m in end["masks"].items())
    assert sparsity_of(start["masks"]) == pytest.approx(0.4, abs=1e-3)
    assert training.spent.images == (4 + 2) * 8 and training.memory["round"] == 1  # two scorings recalibrate
    assert list(training.scores) == ["val_before_last_prune", "val_after_last_prune"]
    assert Twice().steps(4, 0.8) == 4 and sparsity_of(training.network.masks) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_rounds_that_were_interrupted_end_as_the_undisturbed_ones(tmp_path, monkeypatch, stop_after):
    monkeypatch.setattr("tickets.training.checkpoint.EVERY_S", -1.0)
    whole, file = Twice().draw(REQUEST), tmp_path / "draw.pt"
    with pytest.raises(Interrupted):
        Twice().draw(replace(REQUEST, source=Stopping(left=stop_after), checkpoint=Checkpoint(file)))
    assert Twice().draw(replace(REQUEST, checkpoint=Checkpoint(file))).hash == whole.hash


def test_a_draw_without_a_round_is_refused():
    class Idle(Drawer):
        """Plans nothing."""

        def trainings(self, steps, sparsity):
            """None."""
            return []

    with pytest.raises(ValueError, match=r"^Idle plans no round for 4 steps$"):
        Idle().draw(REQUEST)
