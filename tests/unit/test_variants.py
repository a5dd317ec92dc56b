"""SuperTickets as released and as intended: each line of docs/supertickets.md that tells them apart."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from toy import SPEC, ToySource

from tasks.heads.paper import PaperDense
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.drawers.supertickets import SuperTickets
from tickets.pruning.masks import sparsity_of
from tickets.recipes.base import transfer
from tickets.recipes.finetune import Finetune
from tickets.search.costs import per_unit, total_unit_macs, unit_costs
from tickets.search.searchable import search_blocks
from tickets.training.loop import Training
from tickets.training.masking import masking
from tickets.training.method import Pass
from tickets.training.network import Network
from tickets.training.settings import Settings

REQUEST = Request(SPEC, ToySource(), Settings(28, 0.05, calibration_batches=2), 0.8, 0)
KNOBS = {"rho": 0.3}
RELEASED, INTENDED = DRAWERS.make("supertickets/as_released", KNOBS), DRAWERS.make("supertickets", KNOBS)


class SearchedHead(ToySource):
    """A source whose head holds a search block, as the paper's do."""

    def head(self, features, units=None, width=None):
        """The paper's dense head, averaged over pixels."""
        head = PaperDense(features, 2, width=6, units=units)
        head.register_forward_hook(lambda module, inputs, maps: maps.mean((2, 3)))
        return head


def training(drawer: SuperTickets, source: ToySource | None = None) -> Training:
    """An untrained toy network under a drawer's semantics."""
    source = source or ToySource()
    torch.manual_seed(0)
    host = SPEC.build()
    network = Network(host, source.head(host.features), masking=masking(drawer.semantics))
    return Training(network, source, REQUEST.settings, 0, drawer)


def added(found: Training) -> float:
    """What the method adds to the source's loss on the first batch."""
    batch = next(found.source.batches(0, 1))
    seen = Pass(*found.network.both(batch["image"]), batch)
    return (found.method.loss(found, seen) - found.source.loss(seen.outputs, batch)).item()


def kill_two_units(found: Training, in_the_average_alone: bool = False) -> None:
    """Two dead units in one block."""
    name = "host.fuses.1.new"
    with torch.no_grad():
        if not in_the_average_alone:
            found.network.get_submodule(name).gamma[:2] = 0
        found.ema.values[f"{name}.depthwise_bn.weight"][:2] = 0


def units_of(found: Training) -> int:
    """Live units of the whole network."""
    return sum(sum(block.units.values()) for block in search_blocks(found.network).values())


def test_a_shrink_wipes_the_released_masks_and_keeps_the_intended_ones():
    """Released: one dead unit anywhere, and all search blocks are dense again (density 0.2 -> 0.99)."""
    density = {}
    for drawer in (RELEASED, replace(INTENDED, after_prune="keep")):
        found = training(drawer)
        drawer.do_prune(found, 0.8)
        kill_two_units(found)
        drawer.do_shrink(found)
        density[drawer.on_shrink] = 1 - sparsity_of(found.network.masks)
    assert density["keep"] == pytest.approx(0.2, abs=0.01)
    assert density["reset"] > 0.9


def test_released_masked_weights_keep_stale_values_and_may_return_unchanged():
    """Intended ones are zero at once, and grow from zero after the reset; the next pruning judges what grew."""
    for drawer, stale in ((RELEASED, True), (INTENDED, False)):
        found = training(drawer)
        drawer.do_prune(found, 0.8)
        gone = {n: ~m for n, m in found.network.masks.items()}
        values = [found.network.get_parameter(n)[out] for n, out in gone.items()]
        assert all((v != 0).all() if stale else (v == 0).all() for v in values)
        with torch.no_grad():  # live weights lose importance
            for name, out in gone.items():
                found.network.get_parameter(name)[~out] *= 1e-3
        drawer.do_prune(found, 0.8)
        returned = sum(int((found.network.masks[n] & gone[n]).sum()) for n in gone)
        assert (returned > 0) == stale


def test_intended_masks_are_reset_between_prunings_and_released_ones_are_not():
    resets = [[e for e in d.events(280, 0.9) if e.do == "reset"] for d in (RELEASED, INTENDED)]
    prunes = [e for e in INTENDED.events(280, 0.9) if e.do == "prune"]
    assert (len(resets[0]), len(resets[1])) == (0, len(prunes) - 1)


def test_one_threshold_over_host_and_head_or_one_each():
    """The released ticket has the sparsity over both together; the intended one in each."""
    removed = {}
    for drawer in (RELEASED, INTENDED):
        found = training(drawer, SearchedHead())
        drawer.do_prune(found, 0.8)
        parts = found.network.prunable()
        removed[drawer.joint] = [sparsity_of({n: found.network.masks[n] for n in names}) for names in parts.values()]
        assert sparsity_of(found.network.masks) == pytest.approx(0.8, abs=1e-3)
    assert removed[False] == [pytest.approx(0.8, abs=1e-2)] * 2
    assert abs(removed[True][0] - removed[True][1]) > 0.02


def test_the_last_released_pruning_is_at_the_end_and_nothing_recovers():
    last = [max(e.step for e in d.events(280, 0.9) if e.do == "prune") for d in (RELEASED, INTENDED)]
    assert last == [280, 260]


def test_the_released_penalty_stays_on_in_later_trainings():
    """Its gammas shrink on; those of an intended ticket feel the task only."""
    for drawer, stays in ((RELEASED, True), (INTENDED, False)):
        ticket = drawer.draw(REQUEST)
        found = transfer(ticket, Finetune(), ToySource(name="toy/other"), REQUEST.settings, 0)
        blocks = search_blocks(found.network)
        units = sum(sum(b.units.values()) for b in blocks.values())
        with torch.no_grad():
            for block in blocks.values():
                if block.units:
                    block.gamma.fill_(-1.0)
        assert added(found) == pytest.approx(KNOBS["rho"] * units if stays else 0.0, rel=1e-4)


def test_the_released_trigger_counts_units_that_are_dead_in_the_average_alone(monkeypatch):
    """What is cut is dead in both in either case: two units that live in the raw weights stay, and set it off."""
    cuts = []
    monkeypatch.setattr("tickets.drawers.supertickets.shrink", lambda *args: cuts.append(args[-1]))
    for drawer in (RELEASED, INTENDED):
        cuts.clear()
        drawer.do_shrink(found := training(drawer))
        assert not cuts, drawer
        kill_two_units(found, in_the_average_alone=True)
        drawer.do_shrink(found)
        assert len(cuts) == (drawer is RELEASED)
        assert all(keep.all() for live in cuts for keep in live.values())


def test_the_released_shrink_waits_for_a_number_of_macs():
    """The two units' MACs by the layers' costs, to the MAC: 4 images' pixels of 3x3 maps, widths 4 in and 6 out."""
    found = training(INTENDED)
    block = "host.fuses.1.new"
    costs = unit_costs(found.network, found.layers)
    two = int(sum(per_unit(found.network.get_submodule(block), costs[block])[:2]))
    for least, cut in ((two, 2), (two + 1, 0)):
        found = training(drawer := DRAWERS.make(f"supertickets/as_released@least_macs={least}", KNOBS))
        before = units_of(found)
        kill_two_units(found)
        drawer.do_shrink(found)
        assert before - units_of(found) == cut


def test_the_released_average_counts_from_one():
    """After one step it holds 1 - 2/11 of the new weight, the intended one 1 - 1/10."""
    for drawer, share in ((RELEASED, 2 / 11), (INTENDED, 1 / 10)):
        rounds = drawer.trainings(REQUEST.settings.steps, 0.8)
        found = drawer.begin(REQUEST, rounds[0], None)
        name, weight = next(iter(found.network.weights().items()))
        with torch.no_grad():
            found.ema.values[name].zero_()
            weight.fill_(1.0)
        found.ema.update(found.network)
        assert found.ema.values[name].mean().item() == pytest.approx(1 - share)


def test_released_shrinks_are_ten_of_350_epochs_apart():
    steps = [[e.step for e in d.events(350, 0.9) if e.do == "shrink"] for d in (RELEASED, INTENDED)]
    assert steps[0][:4] == [10, 20, 30, 40] and steps[1][:4] == [12, 25, 38, 50]


def test_the_released_semantics_have_another_version_since_they_changed():
    assert (RELEASED.version, INTENDED.version) == (2, 1)


def test_weight_decay_is_on_in_every_later_training():
    for drawer in (RELEASED, INTENDED):
        settings = replace(REQUEST.settings, weight_decay=0.125)
        found = transfer(drawer.draw(REQUEST), Finetune(), ToySource(name="toy/other"), settings, 0)
        assert found.optimizer.param_groups[0]["weight_decay"] == 0.125


def test_every_line_of_the_table_names_a_test_that_exists():
    text = (Path(__file__).parents[2] / "docs" / "supertickets.md").read_text()
    named = re.findall(r"`(test_\w+)`", text)
    assert len(named) >= 6 and all(name in globals() for name in named)


def test_ablations_say_what_they_leave_out():
    actions = {name: {e.do for e in DRAWERS.make(name).events(280, 0.9)} for name in (
        "supertickets/one_shot", "supertickets/no_reactivation", "supertickets/prune_only", "supertickets/search_only"
    )}  # fmt: skip
    one_shot = [e for e in DRAWERS.make("supertickets/one_shot").events(280, 0.9) if e.do == "prune"]
    assert [(e.step, e.to["sparsity"]) for e in one_shot] == [(260, 0.9)]
    assert "reset" not in actions["supertickets/no_reactivation"]
    assert "shrink" not in actions["supertickets/prune_only"]
    assert actions["supertickets/search_only"] == {"shrink"}
    assert added(training(DRAWERS.make("supertickets/prune_only", KNOBS))) == 0


def test_without_reactivation_masks_are_nested(monkeypatch):
    seen = []
    choose = SuperTickets.choose
    monkeypatch.setattr(SuperTickets, "choose", lambda *args: seen.append(choose(*args)) or seen[-1])
    DRAWERS.make("supertickets/no_reactivation@search=false", KNOBS).draw(REQUEST)
    assert len(seen) > 5
    for wider, narrower in pairwise(seen):
        assert all((narrower[n] <= wider[n]).all() for n in wider)


@pytest.mark.parametrize("target", [0.3, 0.7])
def test_a_macs_target_is_reached_from_above_and_not_undercut_by_more_than_a_unit(target):
    """Without it the size of the architecture is whatever rho gives."""
    drawer = DRAWERS.make(f"supertickets@macs_target={target}@threshold=0")
    full = training(drawer)
    whole = total_unit_macs(full.network, full.layers)
    ticket = drawer.draw(REQUEST)
    host = ticket.build()
    left = Training(Network(host, ToySource().head(host.features)), ToySource(), REQUEST.settings, 0)
    share = total_unit_macs(left.network, left.layers) / whole
    assert target - 0.08 < share <= target
    assert DRAWERS.make("supertickets@threshold=0").draw(REQUEST).prunable > ticket.prunable
