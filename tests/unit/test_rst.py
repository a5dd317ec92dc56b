"""RST, the dual lottery ticket hypothesis: which weights go, what drives them to zero, what it costs, in real draws."""

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import torch
from asked import config
from toy import SPEC, OneConvSpec, ToySource

from bench.request import plan
from bench.request import suite as suites
from tickets.contract.watch import Interrupted, Stopping
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.drawers.rst import RandomSparseTransformation
from tickets.errors import UserError
from tickets.pruning.allocation import allocate
from tickets.pruning.masks import Masks
from tickets.scorers import SCORERS
from tickets.training.checkpoint import Checkpoint
from tickets.training.network import Network
from tickets.training.settings import Settings

NINE = Settings(24, 0.02, weight_decay=0.0, calibration_batches=1)
"""Steps of which a transformation has 9, 37 %."""
REQUEST = Request(SPEC, ToySource(), NINE, 0.7, 0)
ONE = replace(REQUEST, spec=OneConvSpec())
FIRST = {f"host.{name}": t for spec in (SPEC, OneConvSpec()) for name, t in spec.initial(0).state_dict().items()}
"""The weights that every draw of seed 0 begins with, of both hosts."""


@dataclass(frozen=True)
class Watched(RandomSparseTransformation):
    """Keeps what was seen.

    Args:
        after: weights after each step.
        before: weights before each removal.
        masks: after each removal.
        rates: learning rates of all steps.
        due: by weight, the cycle that removes it.
    """

    after: list[dict[str, torch.Tensor]] = field(default_factory=list)
    before: list[dict[str, torch.Tensor]] = field(default_factory=list)
    masks: list[Masks] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    due: dict[str, torch.Tensor] = field(default_factory=dict)

    def after_step(self, training):
        """As ever, watched."""
        super().after_step(training)
        self.after.append(weights_of(training.network))
        self.rates.append(training.optimizer.param_groups[0]["lr"])

    def do_prune(self, training, sparsity):
        """As ever, watched."""
        self.before.append(weights_of(training.network))
        super().do_prune(training, sparsity)
        self.masks.append(training.network.masks)
        self.due.update(training.memory["due"])


def weights_of(network: Network) -> dict[str, torch.Tensor]:
    """The prunable weights, copied."""
    return {name: w.detach().clone() for name, w in network.weights().items()}


def watched(request: Request = REQUEST, **options) -> Watched:
    """A drawer that has drawn."""
    drawer = Watched(**options)
    drawer.draw(request)
    return drawer


class Still(ToySource):
    """A task whose gradient is zero."""

    def loss(self, outputs, batch):
        """0, of everything."""
        return 0 * outputs.sum()


# ---- which weights go


@pytest.mark.parametrize("allocation", ["uniform", "global", "erk"])
def test_the_weights_that_go_are_those_of_a_random_mask_before_training_and_exactly_they_are_zero(allocation):
    """As of a drawer that is sparse from its first step on, at one seed; bit for bit."""
    ticket = RandomSparseTransformation(allocation=allocation).draw(REQUEST)
    network = Network(SPEC.initial(0), ToySource().head(SPEC.build().features))
    masks = allocate(SCORERS.make("random").scores(network, ToySource(), 0, 0.7), 0.7, allocation)
    for name, mask in ticket.host.masks.items():
        assert torch.equal(mask, masks[f"host.{name}"])
        assert torch.equal(ticket.host.raw[name] == 0, ~mask)
    assert ticket.kept == ticket.prunable - round(0.7 * ticket.prunable)


def test_every_layer_keeps_a_weight_as_long_as_there_are_as_many_as_layers():
    ticket = RandomSparseTransformation().draw(replace(REQUEST, sparsity=0.97))
    assert ticket.kept >= len(ticket.host.masks) and all(mask.any() for mask in ticket.host.masks.values())


def test_what_is_removed_cycle_by_cycle_is_disjoint_and_together_exact():
    drawer = watched(replace(REQUEST, settings=replace(NINE, steps=40)), cycles=5)
    total = sum(due.numel() for due in drawer.due.values())
    gone = [total - sum(int(m.sum()) for m in masks.values()) for masks in drawer.masks]
    assert [n / total for n in gone] == pytest.approx([0.21399, 0.38216, 0.51434, 0.61823, 0.7], abs=1 / total)
    assert gone[-1] == round(0.7 * total) == sum(int((due > 0).sum()) for due in drawer.due.values())
    for cycle, masks in enumerate(drawer.masks, 1):
        for name, mask in masks.items():
            assert torch.equal(mask, (drawer.due[name] == 0) | (drawer.due[name] > cycle))
    for wider, narrower in pairwise(drawer.masks):
        assert all((narrower[name] <= wider[name]).all() for name in wider)
    once = watched(replace(REQUEST, settings=replace(NINE, steps=40)))
    assert all(torch.equal(once.masks[0][name], mask) for name, mask in drawer.masks[-1].items())


def test_cycles_so_many_that_masks_of_their_levels_are_not_nested_are_exact_nevertheless():
    """Rounding may give a layer a weight more at the next level, where that is closer than a weight a layer."""
    drawer = RandomSparseTransformation(cycles=100)
    first, *_ = drawer.trainings(1000, 0.7)
    training, levels = drawer.begin(REQUEST, first, None), first.events[0].to["levels"]
    drawer.do_mark(training, levels)
    due = training.memory["due"]
    scores = SCORERS.make("random").scores(training.network, ToySource(), 0, 0.7)
    masks = [allocate(scores, level, "uniform") for level in levels]
    assert any((b[name] & ~a[name]).any() for a, b in pairwise(masks) for name in a)
    total, last = sum(cycles.numel() for cycles in due.values()), masks[-1]
    assert all(torch.equal(cycles == 0, last[name]) for name, cycles in due.items())
    gone = torch.bincount(torch.cat([cycles.flatten() for cycles in due.values()]).int())[1:].cumsum(0)
    assert gone.tolist() == pytest.approx([level * total for level in levels], abs=5)


# ---- what drives them to zero


def test_without_a_gradient_what_goes_shrinks_by_e_to_the_minus_strength_and_nothing_else_changes():
    drawer = watched(replace(ONE, source=Still()), strength=20.0)
    for name, weight in drawer.before[0].items():
        gone = drawer.due[name] > 0
        torch.testing.assert_close(weight[gone], FIRST[name][gone] * math.exp(-20), rtol=2e-6, atol=0)
        assert torch.equal(weight[~gone], FIRST[name][~gone])


@pytest.mark.parametrize(
    ("law", "table"),
    [
        ("linear", [1, 2, 3, 4, 5, 5, 5, 5, 5]),
        ("square", [1, 4, 9, 16, 25, 25, 25, 25, 25]),
        ("cube", [1, 8, 27, 64, 125, 125, 125, 125, 125]),
    ],
)
def test_the_decay_grows_along_its_law_over_five_ninths_and_stays(law, table):
    """Of nine steps, five grow; the exponents of the real steps, over their sum of 20."""
    drawer = watched(replace(ONE, source=Still()), law=law, strength=20.0)
    name = next(name for name, due in drawer.due.items() if (due > 0).any())
    gone = drawer.due[name] > 0
    sizes = [FIRST[name][gone].abs().sum(), *(weights[name][gone].abs().sum() for weights in drawer.after[:9])]
    exponents = [math.log(float(a) / float(b)) for a, b in pairwise(sizes)]
    assert exponents == pytest.approx([20 * n / sum(table) for n in table], rel=1e-5)


def test_every_cycle_decays_its_own_weights_by_all_of_the_strength():
    drawer = watched(replace(ONE, source=Still()), cycles=3, strength=20.0)
    for cycle, weights in enumerate(drawer.before, 1):
        for name, due in drawer.due.items():
            torch.testing.assert_close(weights[name][due == cycle], FIRST[name][due == cycle] * math.exp(-20))
            assert torch.equal(weights[name][due > cycle], FIRST[name][due > cycle])
            assert not weights[name][(due > 0) & (due < cycle)].any()


def test_a_coupled_penalty_by_hand_with_sgd_on_a_quadratic():
    """w <- w - lr (g + lambda_t w) with g = w, lr = 0.1, lambda_t = 0.2, 0.4, 0.6: 0.88 x 0.86 x 0.84; else 0.9^3."""

    class Quadratic(ToySource):
        """|w|^2 / 2 of the network in training."""

        def loss(self, outputs, batch):
            """Its gradient is w."""
            return sum(w.square().sum() for w in training.network.weights().values()) / 2

    drawer = Watched(penalty="gradient", strength=1.0)
    first, *_ = drawer.trainings(24, 0.7)
    training = drawer.begin(replace(ONE, source=Quadratic()), first, None)
    training.memory["round"] = 0
    training.optimizer = torch.optim.SGD(training.network.parameters(), lr=0.1)
    training.run()
    for name, weight in drawer.after[2].items():
        gone = drawer.due[name] > 0
        torch.testing.assert_close(weight[gone], FIRST[name][gone] * (0.88 * 0.86 * 0.84))
        torch.testing.assert_close(weight[~gone], FIRST[name][~gone] * 0.9**3)


def test_under_adam_a_coupled_penalty_leaves_weights_and_the_decay_none():
    """Why the decay is decoupled; `left` is what the ticket tells of it, the same number by hand."""
    left = {}
    for penalty, strength in (("decay", RandomSparseTransformation.strength), ("gradient", 1.0)):
        drawer = Watched(penalty=penalty, strength=strength)
        (left[penalty],) = drawer.draw(replace(ONE, settings=replace(NINE, steps=60))).provenance["left"]
        (weights,) = drawer.before
        going = max(float(w[drawer.due[name] > 0].abs().max()) for name, w in weights.items())
        assert left[penalty] == pytest.approx(going / max(float(w.abs().max()) for w in weights.values()))
    assert left["decay"] < 0.01 and left["gradient"] > 0.3


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_blocked_weights_feel_the_penalty_alone_and_the_others_learn(decay):
    """Neither the task's gradient nor that of L2 reaches them."""
    request = replace(ONE, settings=replace(NINE, weight_decay=decay))
    drawer = watched(request, gradient="blocked", strength=20.0)
    free = watched(request, strength=20.0)
    for name, weight in drawer.before[0].items():
        gone = drawer.due[name] > 0
        torch.testing.assert_close(weight[gone], FIRST[name][gone] * math.exp(-20), rtol=2e-6, atol=0)
        assert not torch.equal(weight[~gone], FIRST[name][~gone])
        assert not torch.allclose(free.before[0][name][gone], FIRST[name][gone] * math.exp(-20), rtol=1e-2, atol=1e-12)


def test_blocked_and_coupled_the_gradient_is_the_penalty_alone():
    """Adam's first step is the rate in the direction of the sign: towards zero for all that go."""
    drawer = watched(ONE, gradient="blocked", penalty="gradient", strength=1.0)
    for name, weight in drawer.after[0].items():
        gone = (drawer.due[name] > 0) & (FIRST[name].abs() > 1e-4)
        torch.testing.assert_close(
            weight[gone], FIRST[name][gone] - 0.002 * FIRST[name][gone].sign(), rtol=1e-3, atol=1e-6
        )


# ---- the rounds


@pytest.mark.parametrize("name", ["rst", "rst/iterative", "rst/as_released", "rst@cycles=7@transformation=0.6"])
@pytest.mark.parametrize("steps", [100, 400, 1601])
def test_all_rounds_together_train_as_long_as_any_drawer(name, steps):
    drawer = DRAWERS.make(name)
    assert drawer.steps(steps, 0.9) == steps
    assert len(drawer.trainings(steps, 0.9)) == drawer.cycles + 1


def test_transformations_have_a_low_constant_rate_and_the_sparse_training_a_whole_schedule():
    drawer = watched(ONE, cycles=2)
    lengths = [this.steps for this in drawer.trainings(24, 0.7)]
    assert lengths == [4, 4, 16] and drawer.rates[:8] == pytest.approx([0.002] * 8)
    last = drawer.rates[8:]
    assert len(last) == 16 and last[0] == pytest.approx(0.02 / 25) and max(last) > 0.018 and last[-1] < 0.001


def test_a_transformation_is_dense_training_and_what_follows_is_sparse():
    """By hand: 3 passes of 64 positions x 108 weights and a head of 8; 8 images a step, of 20 steps 4, 4 and 12."""
    request = replace(ONE, settings=replace(NINE, steps=20), sparsity=0.5)
    spent = RandomSparseTransformation(cycles=2).draw(request).provenance["spent"]
    assert spent["macs"] == 3 * 8 * 20 * (64 * 108 + 8) and spent["images"] == 160
    kept = {4: 108, 8: 108 - 32, 20: 54}  # until step: 1 - 0.5^(1/2) of 108 are 31.6
    assert spent["sparse_macs"] == 3 * 8 * (4 * (64 * kept[4] + 8) + 4 * (64 * kept[8] + 8) + 12 * (64 * kept[20] + 8))
    once = RandomSparseTransformation(transformation=0.35).draw(request).provenance["spent"]
    assert once["macs"] == spent["macs"] and once["sparse_macs"] == 3 * 8 * (7 * (64 * 108 + 8) + 13 * (64 * 54 + 8))


@pytest.mark.parametrize(
    ("name", "saves", "at"), [("rst", 5, (0, 5)), ("rst", 14, (1, 4)), ("rst/iterative", 6, (1, 2))]
)
def test_killed_within_a_cycle_it_goes_on_to_the_same_ticket(tmp_path, name, saves, at):
    """After so many checkpoints, which is in this round after this step; a round's beginning is one, too."""
    request = replace(ONE, settings=replace(NINE, steps=40 if name == "rst/iterative" else 24))
    whole = DRAWERS.make(name).draw(request)
    with pytest.raises(Interrupted):
        DRAWERS.make(name).draw(replace(request, checkpoint=Stopping(tmp_path / "draw", saves)))
    checkpoint = Checkpoint(tmp_path / "draw")
    assert (checkpoint.state["memory"]["round"], checkpoint.state["step"]) == at
    assert DRAWERS.make(name).draw(replace(request, checkpoint=checkpoint)).hash == whole.hash


# ---- as released


def test_the_released_choice_is_the_smallest_first_weights_of_every_layer():
    """`pick_pruned` is min where the command does not say otherwise."""
    ticket = DRAWERS.make("rst/as_released").draw(REQUEST)
    for name, mask in ticket.host.masks.items():
        sizes = FIRST[f"host.{name}"].abs()
        assert mask.all() or not mask.any() or sizes[mask].min() >= sizes[~mask].max()
    assert 0.6 < 1 - ticket.host.masks["stem.0.weight"].float().mean() < 0.8


def test_the_released_penalty_is_coupled_and_its_lambda_stops_at_one():
    """The gradient that the optimiser is given, beside the task's: lambda w, at 1 from the fifth step of nine on."""
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Gradients(RandomSparseTransformation):
        """Notes what is added to the gradient of the stem, and the stem."""

        def on_gradient(self, training):
            """Before and after."""
            weight = training.network.host.get_parameter("stem.0.weight")
            before = weight.grad.clone()
            super().on_gradient(training)
            seen.append((weight.grad - before, weight.detach() * (training.memory["due"]["host.stem.0.weight"] > 0)))

    released = DRAWERS.make("rst/as_released")
    assert (released.select, released.penalty, released.law, released.cycles) == ("magnitude", "gradient", "linear", 1)
    Gradients(select="magnitude", penalty="gradient", strength=released.strength).draw(REQUEST)
    for step, (added, weight) in enumerate(seen[:9], 1):
        torch.testing.assert_close(added, min(1, step / 5) * weight, rtol=1e-4, atol=1e-6)
    assert not any(added.any() for added, _ in seen[9:])


# ---- beside its control

STATIC = "static@allocation=uniform"


@pytest.mark.parametrize("name", ["rst", "rst/iterative"])
def test_at_one_seed_the_control_removes_the_same_weights_at_equal_macs(name):
    """Bit for bit; without batch norms nothing is recalibrated, which would be the one difference."""
    control, ticket = (DRAWERS.make(drawer).draw(ONE) for drawer in (STATIC, name))
    assert torch.equal(control.host.masks["conv.weight"], ticket.host.masks["conv.weight"])
    assert control.provenance["spent"]["macs"] == ticket.provenance["spent"]["macs"]


def test_the_suite_has_its_arms_their_controls_and_five_seeds():
    found = suites.load("rst-v1")
    jobs = plan.jobs(config(sweeps=suites.narrowed(found, {}), **found.whole))
    transfers = Counter((job.drawer, job.recipe) for job in jobs if job.kind == "transfer")
    arms = ("rst", "rst/iterative", "rst@gradient=blocked", STATIC, "imp", "omp", "gmp")
    assert transfers == {(arm, "finetune"): 15 for arm in arms} | {(STATIC, "reinit"): 15}
    assert {job.source or job.target for job in jobs} == {"cls/figures"} and found.whole["equal"] == "macs"
    assert {job.seed for job in jobs} == set(range(5)) and {job.sparsity for job in jobs} == {0.0, 0.5, 0.7, 0.9}


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"strength": 3.0},
            r"^strength is 3; the weights to be removed would keep e\^-3 of their size, give at least 10$",
        ),
        ({"strength": 0.0, "penalty": "gradient"}, r"^strength is 0; give a penalty above 0$"),
        ({"cycles": 0}, r"^cycles is 0; give a whole number of at least 1$"),
        ({"transformation": 1.2}, r"^transformation is 1\.2; it is a share of the draw's steps, above 0 and below 1$"),
        ({"rate": 0.0}, r"^rate is 0\.0; it is a factor on the peak learning rate, give one above 0$"),
        ({"ramp": 1.5}, r"^ramp is 1\.5; it is a share of a transformation, at least 0 and at most 1$"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(UserError, match=message):
        RandomSparseTransformation(**options)


def test_sparsity_0_is_refused_when_a_run_is_planned():
    with pytest.raises(
        UserError, match=r"^rst at sparsity 0 transforms nothing; ask for a sparsity above 0 or use dense$"
    ):
        config(drawer="rst", sparsity="0")
    assert config(drawer="rst", sparsity="0.5").sweeps[0].sparsities == (0.5,)
