"""What SuperTickets does between its events: masks over a shrink, reactivation, a penalty that cuts."""

import pytest
import torch
from toy import SPEC, ToySource, toy_network

from tickets.drawers.base import Request
from tickets.drawers.supertickets import SuperTickets
from tickets.errors import UserError
from tickets.pruning.masks import sparsity_of
from tickets.stated import stated
from tickets.training.loop import Training
from tickets.training.masking import Reparam
from tickets.training.settings import Settings

REQUEST = Request(SPEC, ToySource(), Settings(20, 0.05, calibration_batches=2), 0.8, 0)


def pruned(drawer: SuperTickets) -> Training:
    """A toy network pruned to 0.8, with two dead units in one block."""
    network = toy_network(Reparam())
    training = Training(network, ToySource(), REQUEST.settings, 0, drawer)
    drawer.do_prune(training, 0.8)
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
    drawer.do_shrink(training)
    assert low <= sparsity_of(training.network.masks) <= high
    assert torch.equal(training.network.masks["host.stem.0.weight"], stem) and not stem.all()
    weights = training.network.prunable()["host"]
    assert {n: m.shape for n, m in training.network.masks.items()} == {n: w.shape for n, w in weights.items()}


def test_a_shrink_waits_until_it_is_worth_it_but_not_the_last_one():
    drawer = SuperTickets(least_cut=0.5)
    training = pruned(drawer)
    before = sum(w.numel() for w in training.network.prunable()["host"].values())
    drawer.do_shrink(training)
    assert sum(w.numel() for w in training.network.prunable()["host"].values()) == before
    drawer.do_shrink(training, final=True)
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
    drawer.do_prune(training, 0.8)
    assert sum(int((network.masks[n] & gone[n]).sum()) for n in gone) > 0
    drawer.do_reset(training)
    assert sparsity_of(network.masks) == 0


def test_the_penalty_cuts_units_and_more_where_it_is_stronger():
    left = {}
    for rho in (0.0, 0.3):
        left[rho] = SuperTickets(threshold=0.9, rho=rho).draw(REQUEST).prunable
    assert left[0.3] < left[0.0]


def test_the_variants_draw_valid_tickets():
    for options in ({"after_prune": "reset"}, {"on_shrink": "reset", "threshold": 0.95}):
        ticket = SuperTickets(rho=0.3, **options).draw(REQUEST)
        assert ticket.prunable - ticket.kept == round(0.8 * ticket.prunable)


def test_a_penalty_below_zero_is_refused():
    with pytest.raises(UserError, match=r"^rho is -0\.1; give a weight of at least 0$"):
        SuperTickets(rho=-0.1)


def test_the_penalty_s_weight_is_stated_by_the_settings_alone_and_lasts_only_where_it_stays():
    """Published identities state rho beside the settings; a drawer's options do not repeat it."""
    assert "rho" not in stated(SuperTickets(rho=0.3)) and stated(SuperTickets(rho=0.3)) == stated(SuperTickets())
    assert [SuperTickets(rho=0.3, penalty_stays=stays).lasting_rho for stays in (False, True)] == [0.0, 0.3]
