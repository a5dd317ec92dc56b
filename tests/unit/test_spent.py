"""Work is counted where it is done, whoever does it; the layers of a small host are counted by hand."""

import copy
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint

import pytest
import torch
from toy import OneConv, OneConvSpec, ToySource, toy_network

from tickets.drawers.base import Drawer, Request
from tickets.drawers.dense import Dense
from tickets.drawers.prune_once import PruneOnce
from tickets.errors import UserError
from tickets.recipes.base import transfer
from tickets.recipes.finetune import Finetune
from tickets.scorers import SCORERS
from tickets.scorers.base import Scorer
from tickets.ticket import Ticket
from tickets.training.events import Event
from tickets.training.loop import Training
from tickets.training.method import Method
from tickets.training.network import Network
from tickets.training.settings import Settings
from tickets.training.spent import Cost, Spent

CONV, HEAD = 8 * 8 * 4 * 27, 4 * 2
"""MACs of the host's one convolution, at 8x8 positions, and of the toy head's linear layer, for one image."""
FORWARD = CONV + HEAD
STEPS, BATCH = 3, 8
SETTINGS = Settings(STEPS, 0.02, calibration_batches=2)
REQUEST = Request(OneConvSpec(), ToySource(), SETTINGS, 0.5, 0)
TRAINED = STEPS * BATCH * 3 * FORWARD
"""MACs of a training in which all is trained."""


def images_of(method: Method, events=(), settings=SETTINGS, given=None) -> float:
    """Images that a method had run beside the training's own."""
    network = Network(OneConvSpec().initial(0), ToySource().head(OneConv.features))
    training = Training(network, ToySource(), settings, 0, method, events, given=given or {})
    training.run()
    assert training.forward_cost == Cost(FORWARD, FORWARD)
    beside = training.spent.macs - TRAINED - training.spent.teacher_macs
    assert beside % FORWARD == 0
    return beside / FORWARD


def test_a_training_is_three_forward_passes_an_image():
    assert images_of(Method()) == 0


# ---- whatever a method lets the network compute


@torch.no_grad()
def look(training: Training) -> None:
    """One forward pass of the first calibration batch."""
    training.network(next(training.source.calibration(1))["image"])


class InLoss(Method):
    """A second forward pass that is trained through: it is run backward, too."""

    def loss(self, training, seen):
        """Consistency under noise."""
        again = training.network(seen.batch["image"] + 0.1)
        return super().loss(training, seen) + (again - seen.outputs.detach()).square().mean()


class Looking(Method):
    """A second forward pass that only looks."""

    def loss(self, training, seen):
        """The source's."""
        look(training)
        return super().loss(training, seen)


class OnGradient(Method):
    """Looks at every gradient."""

    def on_gradient(self, training):
        """Once a step."""
        look(training)


class AfterStep(Method):
    """Looks after every step."""

    def after_step(self, training):
        """Once a step."""
        look(training)


class AtEvents(Method):
    """Looks when told."""

    def do_look(self, training):
        """Once."""
        look(training)

    def do_copy(self, training):
        """At a copy, which is the same host."""
        with torch.no_grad():
            training.network.effective()(next(training.source.calibration(1))["image"])

    def do_measure(self, training):
        """On val; nothing is chosen by it."""
        training.measure("val")

    def do_score(self, training):
        """On val by one's own hand: how a selection is made, which counts."""
        training.source.score(training.network, "val")


@pytest.mark.parametrize(("method", "passes"), [(InLoss(), 3), (Looking(), 1), (OnGradient(), 1), (AfterStep(), 1)])
def test_extra_passes_of_hooks_are_counted(method, passes):
    assert images_of(method) == STEPS * BATCH * passes


@pytest.mark.parametrize(("do", "batches"), [("look", 1), ("copy", 1), ("score", 2), ("measure", 0)])
def test_extra_passes_of_events_are_counted_and_what_only_measures_is_not(do, batches):
    """The toy source scores on two batches; events may be at the beginning, too."""
    assert images_of(AtEvents(), [Event(0, do), Event(2, do)]) == 2 * batches * BATCH


def test_recalibration_is_counted_and_the_measurement_behind_it_is_not():
    training = Training(toy_network(), ToySource(), SETTINGS, 0, AtEvents(), [Event(0, "measure")])
    training.run()
    assert training.spent.images == STEPS * BATCH + 2 * BATCH
    assert training.spent.macs == (3 * STEPS + 2) * BATCH * training.forward_cost.dense


def test_the_gradients_of_a_training_are_by_hand_counted_and_leave_it_as_it_was():
    training = Training(toy_network(), ToySource(), SETTINGS, 0, Method())
    network, source = training.network, training.source
    before = {n: t.clone() for n, t in network.state_dict().items()}
    with training.meter.on():
        found = list(training.gradients(2))
    assert training.spent.images == 2 * BATCH * 3
    assert network.training and all(p.grad is None for p in network.parameters())
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
    network.eval()
    for (slopes, batch), expected in zip(found, source.calibration(2), strict=True):
        assert torch.equal(batch["image"], expected["image"])
        source.loss(network(batch["image"]), batch).backward()
        assert list(slopes) == list(network.weights())
        for name, weight in network.weights().items():
            torch.testing.assert_close(slopes[name], weight.grad)
            weight.grad = None


# ---- a Fisher scorer, six ways: 3 forward passes an image


def fisher(network, source, batches=2):
    """The mean square gradient of each weight by `network`, which is run as it is."""
    weights = network.weights()
    total = {name: torch.zeros_like(w) for name, w in weights.items()}
    for batch in source.calibration(batches):
        with torch.enable_grad():
            loss = source.loss(network(batch["image"]), batch)
        for name, slope in zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True):
            total[name] += slope.square()
    return total


class ByScores(Drawer):
    """Overrides the scores, on a copy."""

    def scores(self, network, source):
        """Of the effective network."""
        return fisher(network.effective(), source)


class OnTheNetwork(Drawer):
    """Overrides the scores, on the network itself."""

    def scores(self, network, source):
        """Of the network in training."""
        return fisher(network, source)


class ByBackward(Drawer):
    """Overrides the scores, by `backward` on a copy of its own."""

    def scores(self, network, source):
        """Of a deep copy."""
        twin = network.effective()
        total = {name: torch.zeros_like(w) for name, w in twin.weights().items()}
        for batch in source.calibration(2):
            twin.zero_grad()
            source.loss(twin(batch["image"]), batch).backward()
            total = {name: total[name] + w.grad.square() for name, w in twin.weights().items()}
        return total


class ByChoose(Drawer):
    """Overrides the choice."""

    def choose(self, training, sparsity):
        """By the training's gradients."""
        total = {name: torch.zeros_like(w) for name, w in training.network.weights().items()}
        for slopes, _ in training.gradients(2):
            total = {name: total[name] + slope.square() for name, slope in slopes.items()}
        return self.allocate(training.network, total, sparsity)


class ByEvent(Drawer):
    """Has an event of its own."""

    def events(self, steps, sparsity):
        """At the end."""
        return [Event(steps, "fisher", {"sparsity": sparsity})]

    def do_fisher(self, training, sparsity):
        """Masks by Fisher information."""
        found = fisher(training.network.effective(), training.source)
        training.set_masks(self.allocate(training.network, found, sparsity))


@dataclass(frozen=True)
class Fisher(Scorer):
    """As a scorer, for every drawer that takes one."""

    batches: int = 2

    def scores(self, network, source, seed, sparsity):
        """Of the effective network."""
        return fisher(network.effective(), source, self.batches)


@pytest.fixture
def registered(monkeypatch):
    """The scorer under a name, as another package has it."""
    point = EntryPoint("fisher", f"{__name__}:Fisher", SCORERS.group)
    monkeypatch.setitem(vars(SCORERS), "_plugins", {"fisher": [point]})


@pytest.fixture(scope="module")
def by_hand():
    """Masks of the half of the weights with the larger Fisher information at the end of the training."""
    training = Dense().train(REQUEST)
    found = fisher(training.network.effective(), ToySource())["host.conv.weight"]
    return found >= found.flatten().sort().values[54]


@pytest.mark.parametrize("drawer", [ByScores(), OnTheNetwork(), ByBackward(), ByChoose(), ByEvent()], ids=repr)
def test_a_fisher_drawer_costs_three_passes_an_image_whatever_it_overrides(drawer, by_hand):
    ticket = drawer.draw(REQUEST)
    images = 3 * 2 * BATCH
    assert ticket.provenance["spent"]["macs"] == TRAINED + images * FORWARD
    assert ticket.provenance["spent"]["images"] == STEPS * BATCH + images
    assert torch.equal(ticket.host.masks["conv.weight"], by_hand)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("batches", [1, 3])
def test_a_fisher_scorer_costs_the_same_and_is_told_how_many_batches(batches):
    base = Dense().draw(REQUEST)
    ticket = PruneOnce(scorer="fisher", batches=batches).draw(replace(REQUEST, given={"base": base}))
    assert ticket.provenance["spent"]["macs"] == 3 * batches * BATCH * FORWARD
    assert ticket.provenance["base"]["macs"] == TRAINED and ticket.macs_spent == TRAINED + 3 * batches * BATCH * FORWARD
    assert (
        PruneOnce(scorer="fisher@batches=1", batches=9)
        .draw(replace(REQUEST, given={"base": base}))
        .provenance["spent"]["macs"]
        == 3 * BATCH * FORWARD
    )


# ---- given tickets


class Distilling(Finetune):
    """Learns from the outputs of a given ticket."""

    def loss(self, training, seen):
        """Squared difference of outputs."""
        with torch.no_grad():
            told = training.network_of("teacher")(seen.batch["image"])
        return super().loss(training, seen) + (seen.outputs - told).square().mean()


@pytest.fixture(scope="module")
def teacher() -> Ticket:
    """A ticket of sparsity 1/2."""
    return Drawer().draw(REQUEST)


def test_what_a_teacher_computes_is_counted_and_told_apart(teacher):
    """Forward only; sparse MACs are those of its kept weights. The student is not charged as if it had run itself."""
    student = Dense().draw(REQUEST)
    training = transfer(student, Distilling(), ToySource(), SETTINGS, 0, given={"teacher": teacher})
    training.run()
    told = STEPS * BATCH * FORWARD
    assert training.spent.teacher_macs == told and training.spent.macs == TRAINED + told
    assert training.spent.sparse_macs == TRAINED + STEPS * BATCH * (CONV // 2 + HEAD)
    assert training.spent.images == 2 * STEPS * BATCH
    assert training.spent.to_json()["teacher_macs"] == told and "teacher_macs" not in Spent().to_json()
    taught = training.network_of("teacher")
    assert not any(p.requires_grad or p.grad is not None for p in taught.parameters()) and not taught.training
    image = ToySource().batch("test", 0)["image"]
    assert torch.equal(taught(image), teacher.network(ToySource())(image))


@pytest.mark.parametrize(("method", "steps"), [(Distilling(), 6), (Finetune(), 8)])
def test_under_equal_macs_a_teacher_is_paid_for_by_fewer_steps_and_nothing_else_is(method, steps, teacher):
    """One forward pass beside three is a third of a step; without a teacher the clock counts steps, as ever."""
    equal = replace(SETTINGS, steps=8, equal="macs")
    training = transfer(Dense().draw(REQUEST), method, ToySource(), equal, 0, given={"teacher": teacher})
    training.run()
    assert training.step == steps and training.clock == 8 and training.schedule.step == 8
    assert training.spent.macs == 8 * BATCH * 3 * FORWARD and type(training.state_dict()["used"]) is int


def test_a_drawer_s_teacher_stands_in_its_ticket_with_all_that_it_cost(teacher):
    class Taught(Drawer):
        """Learns from the outputs of a given ticket while being drawn."""

        def loss(self, training, seen):
            """As the recipe."""
            return Distilling.loss(Distilling(), training, seen)

    ticket = Taught().draw(replace(REQUEST, given={"teacher": teacher}))
    spent = ticket.provenance["spent"]
    assert spent["teacher_macs"] == STEPS * BATCH * FORWARD and spent["macs"] == TRAINED + spent["teacher_macs"]
    assert ticket.provenance["given"] == {"teacher": {"hash": teacher.hash, "macs": teacher.macs_spent}}
    assert ticket.macs_spent == spent["macs"] + teacher.macs_spent


def test_a_ticket_that_was_not_given_is_named(teacher):
    training = transfer(teacher, Finetune(), ToySource(), SETTINGS, 0, given={"teacher": teacher})
    with pytest.raises(
        UserError, match=r"^unknown role of a given ticket 'techer'\. Did you mean 'teacher'\? Known: te"
    ):
        training.network_of("techer")
    with pytest.raises(UserError, match=r"^PruneOnce needs a ticket of 'dense' as its base; give one\.$"):
        PruneOnce().draw(REQUEST)


def test_a_teacher_whose_head_does_not_fit_is_refused(teacher):
    other = ToySource(name="toy/other", outputs=3)
    training = transfer(teacher, Finetune(), other, SETTINGS, 0, given={"teacher": teacher})
    with pytest.raises(UserError, match=r"head does not fit toy/other: 'predict\.weight' differs; it was"):
        training.network_of("teacher")


# ---- layers that run more than once


class Repeating(OneConv):
    """Runs its layer once a time step."""

    timesteps = 4

    def forward(self, image):
        """The mean over time."""
        return [torch.stack([self.conv(image).relu() for _ in range(self.timesteps)]).mean(0)]


def test_a_host_that_runs_its_layers_several_times_is_counted_as_often():
    network = Network(Repeating(), ToySource().head(Repeating.features))
    training = Training(network, ToySource(), SETTINGS, 0)
    assert training.forward_cost == Cost(4 * CONV + HEAD, 4 * CONV + HEAD)
    training.set_masks({"host.conv.weight": torch.arange(108).view(4, 3, 3, 3) < 54})
    assert training.forward_cost == Cost(4 * CONV + HEAD, 4 * CONV // 2 + HEAD)
    network.host.timesteps = 6
    training.masks_changed()
    assert training.forward_cost == Cost(6 * CONV + HEAD, 6 * CONV // 2 + HEAD)
    assert training.step_cost.dense == 3 * (6 * CONV + HEAD) and training.full_macs == 4 * CONV + HEAD


def test_time_steps_that_change_while_training_change_what_a_step_costs():
    class Shortening(Method):
        """Halves the time steps."""

        def do_shorten(self, training):
            """4 to 2."""
            training.network.host.timesteps //= 2
            training.masks_changed()

    network = Network(Repeating(), ToySource().head(Repeating.features))
    training = Training(network, ToySource(), replace(SETTINGS, steps=4), 0, Shortening(), [Event(3, "shorten")])
    training.run()
    assert training.spent.macs == BATCH * 3 * (3 * (4 * CONV + HEAD) + (2 * CONV + HEAD))


class Momentum(Dense):
    """Keeps a copy of the network, made before the first step, and runs it in every loss."""

    def begin(self, request, this, before):
        """With the copy aside."""
        training = super().begin(request, this, before)
        training.aside["copy"] = copy.deepcopy(training.network).eval()
        return training

    def loss(self, training, seen):
        """What the copy says is not used here; it was computed all the same."""
        with torch.no_grad():
            training.aside["copy"](seen.batch["image"])
        return super().loss(training, seen)


def test_a_copy_that_was_made_before_the_first_step_is_counted_where_it_runs():
    plain, beside = (drawer.draw(REQUEST).provenance["spent"]["macs"] for drawer in (Dense(), Momentum()))
    assert beside - plain == STEPS * BATCH * FORWARD
