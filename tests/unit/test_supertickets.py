"""What SuperTickets does between its events: masks over a shrink, reactivation, a penalty that cuts."""

from dataclasses import replace

import pytest
import torch
from toy import SPEC, ToySource

from tickets.drawer import Request
from tickets.drawers.supertickets import SuperTickets
from tickets.events import Action, Event
from tickets.masks import Semantics, sparsity_of
from tickets.network import Network
from tickets.supernet import Supernet
from tickets.training import Settings, Training

REQUEST = Request(SPEC, ToySource(), Settings(20, 0.05, calibration_batches=2, rho=0.3), 0.8, 0)


def pruned(drawer: SuperTickets) -> Training:
    """A toy network pruned to 0.8, with two dead units in one block."""
    torch.manual_seed(0)
    host = Supernet(SPEC)
    network = Network(host, ToySource().head(host.features), semantics=Semantics.REPARAM)
    training = Training(network, ToySource(), REQUEST.settings, 0, handle=drawer.handle)
    drawer.handle(training, Event(1, Action.PRUNE, sparsity=0.8))
    name = "host.fuses.1.new"
    with torch.no_grad():
        network.get_submodule(name).gamma[:2] = 0
        training.ema.values[f"{name}.depthwise_bn.weight"][:2] = 0
    return training


@pytest.mark.parametrize(("on_shrink", "low", "high"), [("keep", 0.79, 0.81), ("reset", 0.0, 0.1)])
def test_a_shrink_keeps_the_masks_or_wipes_those_of_the_blocks(on_shrink, low, high):
    """The released code wipes them unless told otherwise; the stem and the skips are not rebuilt."""
    drawer = SuperTickets(on_shrink=on_shrink)
    training = pruned(drawer)
    stem = training.network.masks["host.stem.0.weight"].clone()
    drawer.handle(training, Event(2, Action.SHRINK))
    assert low <= sparsity_of(training.network.masks) <= high
    assert torch.equal(training.network.masks["host.stem.0.weight"], stem) and not stem.all()
    weights = training.network.prunable()["host"]
    assert {n: m.shape for n, m in training.network.masks.items()} == {n: w.shape for n, w in weights.items()}


def test_a_shrink_waits_until_it_is_worth_it_but_not_the_last_one():
    drawer = SuperTickets(least_cut=0.5)
    training = pruned(drawer)
    before = sum(w.numel() for w in training.network.prunable()["host"].values())
    drawer.handle(training, Event(2, Action.SHRINK))
    assert sum(w.numel() for w in training.network.prunable()["host"].values()) == before
    drawer.handle(training, Event(3, Action.SHRINK, final=True))
    assert sum(w.numel() for w in training.network.prunable()["host"].values()) < before


def test_masked_weights_keep_their_values_and_can_come_back():
    drawer = SuperTickets()
    training = pruned(drawer)
    network = training.network
    gone = {n: ~m for n, m in network.masks.items()}
    name = "host.branches.0.0.0.expand.weight"
    assert (network.get_parameter(name)[gone[name]] != 0).all()
    with torch.no_grad():  # live weights lose importance; the masked ones are now the largest
        for mask_name, mask in network.masks.items():
            network.get_parameter(mask_name)[mask] *= 1e-3
    drawer.handle(training, Event(4, Action.PRUNE, sparsity=0.8))
    assert sum(int((network.masks[n] & gone[n]).sum()) for n in gone) > 0
    drawer.handle(training, Event(5, Action.RESET))
    assert sparsity_of(network.masks) == 0


def test_the_penalty_cuts_units_and_more_where_it_is_stronger():
    left = {}
    for rho in (0.0, 0.3):
        request = replace(REQUEST, settings=replace(REQUEST.settings, rho=rho))
        left[rho] = SuperTickets(threshold=0.9).draw(request).prunable
    assert left[0.3] < left[0.0]


def test_the_variants_draw_valid_tickets():
    for drawer in (SuperTickets(after_prune="reset"), SuperTickets(on_shrink="reset", threshold=0.95)):
        ticket = drawer.draw(REQUEST)
        assert ticket.prunable - ticket.kept == round(0.8 * ticket.prunable)


def test_an_event_that_nobody_handles_is_refused():
    from tickets.drawers.gmp import GradualMagnitude

    with pytest.raises(ValueError, match=r"GradualMagnitude declares the event .* but does not handle it"):
        GradualMagnitude().handle(pruned(SuperTickets()), Event(1, Action.SHRINK))
