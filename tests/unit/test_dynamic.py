"""Sparse from step 0 and rewired while training: counts, weights, moments, costs, the third budget, in real draws."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from toy import SPEC, ToySource, drawn, toy_network

from tickets.contract.watch import Interrupted, Stopping
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.drawers.dynamic import Dynamic
from tickets.errors import UserError
from tickets.hosts.base import HostSpec
from tickets.pruning.allocation import allocate
from tickets.pruning.masks import Masks
from tickets.recipes.base import transfer
from tickets.recipes.finetune import Finetune
from tickets.scorers import SCORERS
from tickets.training.checkpoint import Checkpoint
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.training.settings import Settings

REQUEST = Request(SPEC, ToySource(), Settings(40, 0.05, calibration_batches=1), 0.8, 0)
RELEASED: dict[str, Any] = {"rule": "released", "fraction": 0.5, "law": "constant", "stop": 1.0, "moments": "keep"}
"""The released code's quirks together."""


@dataclass(frozen=True)
class Watched(Dynamic):
    """Keeps what was seen before every step but the first, and before and after every exchange.

    Args:
        left: each time, how many masked weights are not zero, and how many moments of such weights.
        masks: before and after each exchange, with the gradients of that time.
        fractions: of the exchanges by step.
    """

    left: list[tuple[int, int]] = field(default_factory=list)
    masks: list[tuple[Masks, Masks, dict[str, torch.Tensor]]] = field(default_factory=list)
    fractions: dict[int, float] = field(default_factory=dict)

    def do_rewire(self, training, fraction):
        """As ever, watched."""
        before, weights = training.network.masks, training.network.weights()
        slopes = {name: weight.grad.clone() for name, weight in weights.items()}
        old = {name: weight.detach().clone() for name, weight in weights.items()}
        super().do_rewire(training, fraction)
        after = training.network.masks
        self.masks.append((before, after, slopes))
        self.fractions[training.step] = fraction
        for name, weight in weights.items():
            assert torch.equal(weight, old[name] * after[name])  # what has come is 0, what has stayed is as it was
        self.count(training)

    def on_gradient(self, training):
        """What the step before has left."""
        if training.step:
            self.count(training)

    def count(self, training):
        """What of masked weights is not zero."""
        state, weights = training.optimizer.state, training.network.weights()
        off = [(weights[name], ~mask) for name, mask in training.network.masks.items()]
        moments = [state[w][key][gone] for w, gone in off for key in ("exp_avg", "exp_avg_sq")]
        numbers = [sum(int(one.count_nonzero()) for one in of) for of in ([w[gone] for w, gone in off], moments)]
        self.left.append((numbers[0], numbers[1]))


def counts(masks):
    """Kept weights by layer."""
    return {name: int(mask.sum()) for name, mask in masks.items()}


@pytest.mark.parametrize("grow", ["gradient", "random"])
def test_every_layer_keeps_its_count_and_nothing_masked_is_left(grow):
    """Masked weights are zero, and so are their moments, after each step and each exchange."""
    watched = Watched(grow=grow)
    ticket = watched.draw(REQUEST)
    first = counts(watched.masks[0][0])
    assert list(watched.fractions) == [5, 10, 15, 20, 25] and len(watched.left) == 39 + 5
    assert all(counts(after) == first for _, after, _ in watched.masks) and set(watched.left) == {(0, 0)}
    moved = [name for before, after, _ in watched.masks for name in before if (before[name] != after[name]).any()]
    assert len(set(moved)) > len(first) / 2
    assert ticket.prunable - ticket.kept == round(0.8 * ticket.prunable)
    assert all(torch.equal(ticket.host.masks[n.removeprefix("host.")], m) for n, m in watched.masks[-1][1].items())


def test_what_comes_has_the_largest_gradient_of_all_that_is_masked():
    watched = Watched()
    watched.draw(REQUEST)
    checked = 0
    for before, after, slopes in watched.masks:
        for name, slope in slopes.items():
            came, out = after[name] & ~before[name], ~after[name] & ~before[name]
            if came.any() and out.any():
                checked += 1
                assert slope[came].abs().min() >= slope[out].abs().max()
    assert checked > 10


def test_the_first_masks_are_the_random_ones_of_its_allocation():
    watched, network = Watched(stop=1.0, law="constant"), toy_network()
    watched.draw(replace(REQUEST, settings=replace(REQUEST.settings, steps=5)))
    short = replace(REQUEST, settings=replace(REQUEST.settings, steps=1))
    scores = SCORERS.make("random").scores(network, ToySource(), 0, 0.8)
    wanted = allocate(scores, 0.8, "erk")
    assert all(torch.equal(watched.masks[0][0][name], mask) for name, mask in wanted.items())
    assert counts(wanted) != counts(allocate(scores, 0.8, "uniform"))
    static = DRAWERS.make("static").draw(short)
    assert all(torch.equal(static.host.masks[n.removeprefix("host.")], mask) for n, mask in wanted.items())
    uniform = DRAWERS.make("static@allocation=uniform").draw(short)
    sizes = [(int(mask.sum()), mask.numel()) for mask in uniform.host.masks.values()]
    assert all(abs(kept - size / 5) <= 1 for kept, size in sizes)


def test_names_differ_in_what_grows_and_how_much():
    """`static` never exchanges; `set` keeps its share; `rigl` follows the cosine."""
    plans = {name: DRAWERS.make(name).events(400, 0.8) for name in ("static", "set", "rigl")}
    assert all((first.step, first.do, first.to) == (0, "prune", {"sparsity": 0.8}) for first, *_ in plans.values())
    shares = {name: {event.step: event.to["fraction"] for event in plan[1:]} for name, plan in plans.items()}
    assert shares["static"] == {} and shares["set"] == dict.fromkeys(range(8, 301, 8), 0.3)
    assert list(shares["rigl"]) == list(range(8, 300, 8)) and list(shares["rigl"].values())[-1] < 1e-3
    assert [DRAWERS.make(name).grow for name in shares] == ["none", "random", "gradient"]
    assert [event.do for event in DRAWERS.make("rigl").events(400, 0.0)] == ["prune"]


def test_three_times_the_length_is_one_training_of_so_many_steps():
    (this,) = DRAWERS.make("rigl@share=3").trainings(40, 0.8)
    assert this.steps == 120 and this.events == DRAWERS.make("rigl").events(120, 0.8)
    assert DRAWERS.make("rigl@share=3").steps(40, 0.8) == 120


# ---- the released code's quirks


def test_released_moments_gather_where_weights_are_masked():
    """FT-4: so a weight that comes is moved at once by what was gathered."""
    watched = Watched(moments="keep")
    watched.draw(REQUEST)
    assert all(weights == 0 and moments > 0 for weights, moments in watched.left)


def test_released_exchanges_go_on_to_the_last_step_at_one_share():
    """FT-1 and FT-4: a ticket may hold weights that have just come and were never moved."""
    watched = Watched(**{**RELEASED, "rule": "exact"})
    ticket = watched.draw(REQUEST)
    assert watched.fractions == dict.fromkeys(range(5, 41, 5), 0.5)
    kept = [(ticket.host.raw[name], mask) for name, mask in ticket.host.masks.items()]
    assert sum(int((weight[mask] == 0).sum()) for weight, mask in kept) > 0
    calm = DRAWERS.make("rigl").draw(REQUEST)
    assert all((calm.host.raw[name][mask] != 0).any() for name, mask in calm.host.masks.items() if mask.any())


def test_under_the_released_rule_layers_lose_weights_and_the_ticket_has_its_count_all_the_same():
    """FT-9: masked weights of dead units have no gradient. What was lost comes back as zeros after the last step."""
    watched = Watched(**RELEASED)
    ticket = watched.draw(REQUEST)
    first, last = counts(watched.masks[0][0]), counts(watched.masks[-1][1])
    assert all(last[name] <= first[name] for name in first) and sum(last.values()) < sum(first.values())
    assert {f"host.{name}": int(mask.sum()) for name, mask in ticket.host.masks.items()} == first
    for name, mask in ticket.host.masks.items():
        left = watched.masks[-1][1][f"host.{name}"]
        assert (left <= mask).all() and not ticket.host.raw[name][mask & ~left].any()


# ---- costs and budgets, by hand

A, B, HEAD = 64 * 108, 64 * 32, 8 * 2
"""MACs of an image: two convolutions of 108 and 32 weights at 8x8 positions, and the toy head's linear layer."""
FULL, SPARSE = A + B + HEAD, A // 2 + B // 2 + HEAD
MASKED, BATCH = A // 2 + B // 2, 8


class TwoConvs(nn.Module):
    """No batch norm, so that nothing is recalibrated."""

    features: ClassVar = [(8, 2)]

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.Conv2d(4, 8, 1, bias=False)

    def forward(self, image):
        """One map."""
        return [self.b(self.a(image).relu()).relu()]


@dataclass(frozen=True)
class TwoConvsSpec(HostSpec):
    """The host of these counts."""

    kind = "two_convs"

    def build(self, units: Mapping | None = None):
        """Fresh weights."""
        return TwoConvs()


HALF = Request(TwoConvsSpec(), ToySource(), Settings(40, 0.02), 0.5, 0)
EVENLY = {"allocation": "uniform", "law": "constant", "stop": 1.0}
"""Half of each layer; exchanges at 5, 10, ... 40 of 40 steps."""


@pytest.mark.parametrize(("grow", "looks"), [("none", 0), ("random", 0), ("gradient", 8)])
def test_spent_macs_by_hand(grow, looks):
    """A step is three sparse passes; one whose gradient is looked at has it whole: 2 f_S + f_D."""
    spent = Dynamic(grow=grow, **EVENLY).draw(HALF).provenance["spent"]
    assert spent["images"] == 40 * BATCH and spent["macs"] == 40 * BATCH * 3 * FULL
    assert spent["sparse_macs"] == BATCH * ((40 - looks) * 3 * SPARSE + looks * (2 * SPARSE + FULL))


def sparsely(drawer, **changes):
    """The last training of a draw by sparse MACs."""
    return drawer.train(replace(HALF, settings=replace(HALF.settings, equal="sparse", **changes)))


def test_equal_sparse_macs_give_a_sparse_network_more_steps_by_hand():
    """40 steps of 3 * 8976 MACs are 79.86 of 3 * 4496; with 7 whole gradients of 4480 more before the end, 77.54."""
    assert (3 * FULL, 3 * SPARSE, MASKED) == (26928, 13488, 4480)
    static = sparsely(Dynamic(grow="none", **EVENLY))
    assert static.step == 80 and static.spent.sparse_macs == 80 * BATCH * 3 * SPARSE
    assert static.clock == pytest.approx(80 * 13488 / 26928)
    assert sparsely(Dynamic(grow="random", **EVENLY)).step == 80
    watched = Watched(**EVENLY)
    rigl = sparsely(watched)
    assert list(watched.fractions) == [10, 20, 30, 39, 49, 59, 68, 78] and rigl.step == 78
    assert rigl.spent.sparse_macs == BATCH * (78 * 3 * SPARSE + 8 * MASKED)
    assert rigl.clock == pytest.approx((78 * 13488 + 8 * 4480) / 26928)


def test_equal_sparse_macs_take_the_learning_rate_along():
    """At its end a training by sparse MACs is where one by steps is."""
    ends = [
        sparsely(Dynamic(**EVENLY)).optimizer.param_groups[0]["lr"],
        Dynamic(**EVENLY).train(HALF).optimizer.param_groups[0]["lr"],
    ]
    assert ends[0] == pytest.approx(ends[1])


def test_what_is_dense_while_it_is_drawn_gets_its_steps_and_its_ticket_more_on_a_target():
    request = replace(HALF, settings=replace(HALF.settings, equal="sparse"))
    ticket = drawn(DRAWERS.make("omp@allocation=uniform"), request)
    assert ticket.provenance["spent"]["images"] == 0  # the base has the budget, and it is dense
    assert drawn(DRAWERS.make("dense"), request).provenance["spent"]["images"] == 40 * BATCH
    training = transfer(ticket, Finetune(), ToySource(), request.settings, 0)
    training.run()
    assert training.step == 80


def test_a_training_that_begins_late_is_at_that_step_of_any_budget():
    """Its network may be sparse by then, as in the second round of `imp`; the steps before were not."""
    masks = Dynamic(grow="none", **EVENLY).train(HALF).network.masks
    host = TwoConvsSpec().initial(0)
    for equal in ("steps", "macs", "sparse"):
        network = Network(host, ToySource().head(TwoConvs.features), dict(masks))
        assert Training(network, ToySource(), replace(HALF.settings, equal=equal), 0, step=10).clock == 10


# ---- interruption


@pytest.mark.parametrize(
    ("asked", "options", "equal", "saves"),
    [
        (REQUEST, {"stop": 1.0}, "steps", (5, 7)),
        (HALF, {"stop": 1.0}, "sparse", (10, 14)),
        (HALF, {"stop": 1.0, "grow": "random"}, "steps", (5, 8)),
        (HALF, RELEASED, "sparse", (10, 18)),
    ],
    ids=["rigl", "rigl by sparse MACs", "set", "as released"],
)
def test_resumed_in_the_middle_of_a_cycle_it_ends_as_the_undisturbed_draw(tmp_path, asked, options, equal, saves):
    """Right after an exchange, and between two."""
    request = replace(asked, settings=replace(asked.settings, steps=12, equal=equal))
    whole = (drawer := Dynamic(**options)).draw(request)
    (watched := Watched(**options)).draw(request)
    for after in saves:
        assert min(watched.fractions) <= after < max(watched.fractions)
        path = tmp_path / f"{after}"
        with pytest.raises(Interrupted):
            drawer.draw(replace(request, checkpoint=Stopping(path, after)))
        assert drawer.draw(replace(request, checkpoint=Checkpoint(path))).hash == whole.hash


# ---- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"semantics": "reparam"},
            r"^rewiring needs dense gradients, which semantics=reparam does not have; leave semantics at projection$",
        ),
        (
            {"pattern": "2:4"},
            r"^rewiring exchanges single weights, which the pattern 2:4 does not allow; leave pattern at element, or "
            "give grow=none$",
        ),
        ({"every": 0.0}, r"^every is 0\.0; give a fraction above 0 and at most 1$"),
        ({"fraction": 1.5}, r"^fraction is 1\.5; give a fraction above 0 and at most 1$"),
        ({"stop": 0.0}, r"^stop is 0\.0; give a fraction above 0"),
        ({"share": -1.0}, r"^share is -1\.0; give a fraction of the steps above 0, or 0 for equal budgets$"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(UserError, match=message):
        Dynamic(**options)


def test_masks_that_stay_may_have_a_pattern():
    ticket = DRAWERS.make("static@pattern=kernel").draw(replace(HALF, sparsity=0.25))
    assert ticket.provenance["pattern"] == "kernel" and 0 < ticket.kept < ticket.prunable
