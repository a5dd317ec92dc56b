"""DST, EDST and dense ensembles: seeds, lengths, phases and their learning rates, escapes, costs, resuming."""

from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from typing import Any

import pytest
import torch
from toy import SPEC, ToySource

from tickets.contract.watch import Interrupted, Stopping
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.drawers.dynamic import Dynamic
from tickets.drawers.free_tickets import DST, EDST
from tickets.errors import UserError
from tickets.seeding import derive
from tickets.ticket_set import member_seed
from tickets.training.checkpoint import Checkpoint, load_checkpoint
from tickets.training.events import Event
from tickets.training.settings import Settings

SETTINGS = Settings(12, 0.02, calibration_batches=1)
REQUEST = Request(SPEC, ToySource(), SETTINGS, 0.8, 0)
LONG = replace(REQUEST, settings=replace(SETTINGS, steps=90))
RELEASED: dict[str, Any] = {"rule": "released", "fraction": 0.5, "law": "constant", "stop": 1.0, "moments": "keep"}


def same_weights(one, other):
    """Whether two tickets have the same raw weights and masks."""
    return all(torch.equal(tensor, other.host.raw[name]) for name, tensor in one.host.raw.items()) and all(
        torch.equal(mask, other.host.masks[name]) for name, mask in one.host.masks.items()
    )


@dataclass(frozen=True)
class WatchedEDST(EDST):
    """Keeps what was seen: learning rates by step, masks before and after exchanges, and what is remembered.

    Args:
        rates: of each step, the first is 1.
        exchanged: (step, share, masks before, masks after).
        remembered: (step, whether the optimiser remembers all steps so far) when a phase begins.
        averages: updates of the average then.
    """

    rates: dict[int, float] = field(default_factory=dict)
    exchanged: list[tuple[int, float, dict[str, torch.Tensor], dict[str, torch.Tensor]]] = field(default_factory=list)
    remembered: list[tuple[int, bool]] = field(default_factory=list)
    averages: list[int] = field(default_factory=list)

    def on_gradient(self, training):
        """The rate that the optimiser's step will have."""
        assert len({group["lr"] for group in training.optimizer.param_groups}) == 1
        self.rates[training.step + 1] = training.optimizer.param_groups[0]["lr"]

    def do_rewire(self, training, fraction):
        """As ever, watched."""
        before = dict(training.network.masks)
        super().do_rewire(training, fraction)
        self.exchanged.append((training.step, fraction, before, dict(training.network.masks)))

    def do_refine(self, training, factor):
        """As ever; then the average is the network of now, and the optimiser remembers what it did."""
        super().do_refine(training, factor)
        state = next(iter(training.optimizer.state.values()))
        self.remembered.append((training.step, int(state["step"]) == training.step and bool(state["exp_avg"].any())))
        self.averages.append(training.ema.updates)


@pytest.fixture(scope="module")
def watched():
    """EDST of 90 steps, watched, and its set."""
    drawer = WatchedEDST()
    return drawer, drawer.draw(LONG)


# ---- EDST


def test_the_plan_of_90_steps_and_3_members_by_hand():
    """4e 5: exploration to 30; phases 30-50-70-90; escapes after 50 and 70; the rate falls at 40, 60 and 80."""
    drawer = EDST()
    assert drawer.bounds(90) == [0, 30, 50, 70, 90]
    events = drawer.events(90, 0.8)
    at = {do: [event.step for event in events if event.do == do] for do in ("prune", "refine", "rate", "member")}
    assert at == {"prune": [0], "refine": [30, 50, 70], "rate": [40, 60, 80], "member": [50, 70, 90]}
    escapes = [event.step for event in events if event.do == "rewire" and event.to["fraction"] == 0.8]
    assert escapes == [50, 70]
    order = [event.do for event in events if event.step == 50]
    assert order == ["member", "rewire", "refine"]  # a member is what it was before the escape


def test_an_exploration_and_a_phase_exchange_as_trainings_of_their_lengths():
    """By hand: every 5 steps, the shares .15 (1 + cos(pi t / T)), T three quarters of 30 and of 20 steps: 22, 15."""
    found = [(e.step, round(e.to["fraction"], 4)) for e in EDST(escape=0).events(90, 0.8) if e.do == "rewire"]
    phase = [(5, 0.225), (10, 0.075)]
    explored = [(5, 0.2634), (10, 0.1713), (15, 0.0689), (20, 0.0061)]
    assert found == [*explored, *((start + step, share) for start in (30, 50, 70) for step, share in phase)]


def test_the_gap_between_exchanges_is_a_share_of_the_whole_training():
    """By hand: a fiftieth of 900 steps is 18, in the exploration up to 300 and in each phase of 200."""
    steps = [e.step for e in EDST(law="constant", stop=1.0, escape=0).events(900, 0.8) if e.do == "rewire"]
    phases = [list(range(start + 18, start + 200, 18)) for start in (300, 500, 700)]
    assert steps == [*range(18, 300, 18), *(step for phase in phases for step in phase)]


@pytest.mark.parametrize("drawer", [DST(), EDST()])
def test_their_defaults_are_those_of_the_method_that_they_are_made_of(drawer):
    assert all(getattr(drawer, one.name) == getattr(Dynamic(), one.name) for one in fields(Dynamic))


def test_every_step_has_the_rate_of_its_part(watched):
    drawer, _ = watched
    expected = {step: 0.02 for step in range(1, 31)}
    for start in (30, 50, 70):
        expected |= {step: 0.002 for step in range(start + 1, start + 11)}
        expected |= {step: 0.0002 for step in range(start + 11, start + 21)}
    assert drawer.rates == pytest.approx(expected)


def test_an_escape_exchanges_its_share_of_every_layer_and_keeps_the_counts(watched):
    drawer, _ = watched
    escapes = {step: (before, after) for step, share, before, after in drawer.exchanged if share == 0.8}
    assert list(escapes) == [50, 70]
    gone = kept = 0
    for before, after in escapes.values():
        for name, mask in before.items():
            live, room = int(mask.sum()), mask.numel() - int(mask.sum())
            assert int(after[name].sum()) == live
            gone, kept = gone + int((mask & ~after[name]).sum()), kept + live
            assert int((mask & ~after[name]).sum()) <= min(round(0.8 * live), room)
    assert gone / kept > 0.4  # what is dropped may come back at once, by its gradient


def test_the_optimiser_goes_on_and_the_average_begins_anew_with_each_phase(watched):
    drawer, _ = watched
    assert drawer.remembered == [(30, True), (50, True), (70, True)] and drawer.averages == [0, 0, 0]


def test_members_are_the_network_at_the_end_of_each_phase(watched):
    """The first two are what shorter plans end with; the last is the network at the end."""
    _, found = watched

    @dataclass(frozen=True)
    class Short(EDST):
        """Ends after its second phase."""

        def events(self, steps, sparsity):
            return [event for event in EDST().events(90, sparsity) if event.step < 70 or event.do == "member"][:-1]

        def trainings(self, steps, sparsity):
            return [replace(this, steps=70) for this in super().trainings(steps, sparsity)]

    short = Short(members=2).draw(LONG)
    assert [same_weights(*pair) for pair in zip(short.members, found.members, strict=False)] == [True, True]
    assert not any(same_weights(*pair) for pair in combinations(found.members, 2))
    for one in found.members:
        assert one.prunable - one.kept == round(0.8 * one.prunable)
        assert all((tensor[~one.host.masks[n]] == 0).all() for n, tensor in one.host.raw.items() if n in one.host.masks)


def test_what_members_share_is_counted_once(watched):
    """By hand: 90 steps of 8 images at 3 passes, and a recalibration of 8 images at 1 pass for each member."""
    _, found = watched
    forward = found.members[0].provenance["spent"]["macs"] // (50 * 8 * 3 + 8)
    dense = 41_916  # host 41,896 and head 20
    assert forward == dense
    spent = [one.provenance["spent"]["macs"] for one in found.members]
    assert spent == [dense * 8 * (3 * end + number) for number, end in enumerate((50, 70, 90), 1)]
    assert found.macs_spent == found.provenance["spent"]["macs"] == spent[-1]
    assert found.provenance["spent"]["images"] == 90 * 8 + 3 * 8


@pytest.mark.parametrize("name", ["edst", "edst/as_released"])
def test_killed_in_the_middle_of_a_phase_it_goes_on_to_the_same_set(name, tmp_path):
    """4e 10: written after every step and killed after step 60, in the middle of the second phase, and once more."""
    drawer, path = DRAWERS.make(name), tmp_path / "checkpoint"
    for after in (60, 7):
        with pytest.raises(Interrupted):
            drawer.draw(replace(LONG, checkpoint=Stopping(path, after)))
    assert load_checkpoint(path)["step"] == 67 and len(load_checkpoint(path)["memory"]["members"]) == 1
    assert drawer.draw(replace(LONG, checkpoint=Checkpoint(path))).hash == drawer.draw(LONG).hash


def test_static_phases_rewire_nothing():
    found = EDST(grow="none").draw(LONG)
    assert "rewire" not in {event.do for event in EDST(grow="none").events(90, 0.8)}
    first = found.members[0].host.masks
    assert all(torch.equal(mask, first[n]) for one in found.members for n, mask in one.host.masks.items())
    assert "rewire" not in {event.do for event in EDST().events(90, 0.0)}


# ---- as released


def test_the_released_variants_have_the_quirks_of_the_code_and_no_others():
    for name, cls in (("dst/as_released", DST), ("edst/as_released", EDST)):
        assert DRAWERS.make(name) == cls(**RELEASED)
    shares = {e.to["fraction"] for e in EDST(**RELEASED).events(90, 0.8) if e.do == "rewire"}
    assert shares == {0.5, 0.8}  # FT-1: no cosine
    last = [e for e in EDST(**RELEASED).events(90, 0.8) if e.step == 90]
    assert [event.do for event in last] == ["rewire", "member"]  # FT-4: a member may hold weights that have just come


def test_layers_that_lost_weights_under_the_released_rule_have_them_back_in_every_member():
    """FT-9: while it trains the count falls; members have the sparsity asked for, what came back is zero."""

    @dataclass(frozen=True)
    class Counted(EDST):
        """Keeps the number of weights after each exchange."""

        live: list[int] = field(default_factory=list)

        def do_rewire(self, training, fraction):
            super().do_rewire(training, fraction)
            self.live.append(sum(int(m.sum()) for n, m in training.network.masks.items() if n.startswith("host.")))

    drawer = Counted(**RELEASED)
    found = drawer.draw(replace(LONG, sparsity=0.95))
    wanted = found.members[0].prunable - round(0.95 * found.members[0].prunable)
    assert min(drawer.live) < wanted and all(one.kept == wanted for one in found.members)
    last = found.members[-1].host
    zeros = sum(int((last.raw[name][mask] == 0).sum()) for name, mask in last.masks.items())
    assert zeros >= wanted - drawer.live[-1] > 0


# ---- members trained apart


@pytest.mark.parametrize(("many", "one"), [("dst", "rigl"), ("dst@grow=none", "static"), ("dense/ensemble", "dense")])
def test_the_first_member_is_the_single_network_of_its_length_and_seed(many, one):
    """Three members share 12 steps; a single draw of 4 steps at the same seed is the first of them."""
    found = DRAWERS.make(many).draw(REQUEST)
    alone = DRAWERS.make(one).draw(replace(REQUEST, settings=replace(SETTINGS, steps=4)))
    assert same_weights(found.members[0], alone) and len(found.members) == 3
    assert not any(same_weights(*pair) for pair in combinations(found.members, 2))


def test_other_members_have_seeds_and_data_orders_of_their_own():
    asked = []

    @dataclass
    class Ordered(ToySource):
        """Notes which member's order was asked for."""

        def member(self, number):
            asked.append(number)
            return self

    found = DST(members=2).draw(replace(REQUEST, source=Ordered()))
    assert asked == [0, 1] and [one.provenance["seed"] for one in found.members] == [0, derive(0, "member", 1)]
    assert [member_seed(7, number) for number in (0, 1)] == [7, derive(7, "member", 1)]
    alone = DRAWERS.make("rigl").draw(
        replace(REQUEST, seed=derive(0, "member", 1), settings=replace(SETTINGS, steps=6))
    )
    assert same_weights(found.members[1], alone)


@pytest.mark.parametrize(("name", "each"), [("dst", 4), ("dst@share=1", 12), ("dst@members=2", 6), ("edst", None)])
def test_members_share_the_steps_unless_they_are_told_otherwise(name, each):
    """By hand: a member's steps at 3 passes of 8 images, and one recalibration; sets cost the sum."""
    drawer = DRAWERS.make(name)
    found = drawer.draw(REQUEST)
    assert drawer.count == len(found.members)
    if each is None:
        assert drawer.steps(12, 0.8) == 12
        return
    assert drawer.steps(12, 0.8) == each * drawer.count
    assert [one.macs_spent for one in found.members] == [41_916 * 8 * (3 * each + 1)] * drawer.count
    assert found.macs_spent == sum(one.macs_spent for one in found.members)


def test_killed_in_a_later_member_it_goes_on_to_the_same_set(tmp_path):
    """Killed after the second step of the third member; what the first two had left is not trained again."""
    drawer, path = DRAWERS.make("dst"), tmp_path / "checkpoint"
    with pytest.raises(Interrupted):
        drawer.draw(replace(REQUEST, checkpoint=Stopping(path, 4 + 1 + 4 + 1 + 2)))
    states = load_checkpoint(path)["turns"]
    assert [state["step"] for state in states] == [4, 4, 2]
    source = Counting()
    found = drawer.draw(replace(REQUEST, source=source, checkpoint=Checkpoint(path)))
    assert found.hash == drawer.draw(REQUEST).hash and source.trained == 2


@dataclass
class Counting(ToySource):
    """Counts the batches that are trained on."""

    trained: int = 0

    def batches(self, start, stop):
        """Counted."""
        for batch in super().batches(start, stop):
            self.trained += 1
            yield batch


def test_reports_of_members_are_those_of_the_whole_draw():
    told = []
    DRAWERS.make("dst").draw(replace(REQUEST, report=told.append))
    assert [(one.step, one.steps) for one in told if one.step in (4, 8, 12)][-1] == (12, 12)
    assert [one.step for one in told] == sorted(one.step for one in told)


# ---- refused


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("edst@members=1", "members is 1; a set needs at least 2, for one network use rigl"),
        ("dst@members=0", "members is 0; a set needs at least 2, for one network use rigl"),
        ("dense/ensemble@members=1", "members is 1; a set needs at least 2, for one network use dense"),
        ("dst@share=-1", "share is -1.0; give a fraction of the steps above 0, or 0 for equal budgets"),
        ("edst@explore=1", "explore is 1.0; give a fraction of the training above 0 and below 1"),
        ("edst@escape=1.5", "escape is 1.5; give a share of the kept weights, from 0 to 1"),
        ("edst@semantics=reparam", "rewiring needs dense gradients, which semantics=reparam does not have"),
    ],
)
def test_options_that_cannot_be_are_refused_in_a_sentence(name, why):
    with pytest.raises(UserError) as found:
        DRAWERS.resolve(name)
    assert why in str(found.value) and "\n" not in str(found.value)


def test_too_few_steps_for_the_members_are_refused():
    """4f: of 4 steps two thirds are 2.7, less than a step for each of three phases."""
    with pytest.raises(
        UserError, match=r"^members is 3 and the draw has 4 steps: a phase of 0 steps is no training; gi"
    ):
        EDST().check_events(4, 0.8)
    EDST().check_events(5, 0.8)
    with pytest.raises(UserError, match=r"^members is 3 and the draw has 2 steps: less than a step each is no tr"):
        DST().check_events(2, 0.8)
    DST(share=1).check_events(2, 0.8)


def test_events_are_plain_data():
    assert all(isinstance(event, Event) for event in EDST().events(90, 0.8))
