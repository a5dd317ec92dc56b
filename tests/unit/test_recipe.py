"""Transfers: what they start from, that masks hold, that methods share what a seed fixes."""

from dataclasses import replace

import pytest
import torch
from toy import SPEC, ToySource

from tasks.heads.paper import PaperDense
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.drawers.dense import Dense
from tickets.drawers.imp import IterativeMagnitude
from tickets.drawers.supertickets import SuperTickets
from tickets.errors import UserError
from tickets.recipes import RECIPES
from tickets.recipes.base import Recipe, transfer
from tickets.recipes.continue_ import Continue
from tickets.recipes.finetune import Finetune
from tickets.recipes.frozen import Frozen
from tickets.recipes.rewind import Rewind
from tickets.recipes.scratch import Scratch
from tickets.ticket import Ticket
from tickets.training.settings import Settings

SETTINGS = Settings(steps=6, learning_rate=0.02, calibration_batches=2)
TARGET = ToySource(name="toy/other", outputs=3)


@pytest.fixture(scope="module")
def ticket():
    """A small sparse ticket."""
    return SuperTickets(rho=0.1).draw(Request(SPEC, ToySource(), SETTINGS, 0.7, 0))


def test_finetune_starts_from_the_raw_weights_under_the_mask(ticket):
    training = transfer(ticket, Finetune(), TARGET, SETTINGS, seed=0)
    for name, mask in ticket.host.masks.items():
        assert torch.equal(training.network.host.get_parameter(name), ticket.host.raw[name] * mask)
    assert torch.equal(training.network.host.stem[1].running_mean, ticket.host.raw["stem.1.running_mean"])


def test_scratch_starts_from_the_weights_that_the_dense_reference_starts_from():
    """Where nothing was cut, all methods at one seed share initial weights and head; another seed has others."""
    drawn = Dense().draw(Request(SPEC, ToySource(), SETTINGS, 0.0, 0))
    starts = [transfer(t, Scratch(), TARGET, SETTINGS, s) for t, s in ((drawn, 0), (Ticket.dense(SPEC), 0), (drawn, 1))]
    states = [t.network.state_dict() for t in starts]
    assert all(torch.equal(states[0][n], states[1][n]) for n in states[0])
    assert any(not torch.equal(states[0][n], states[2][n]) for n in states[0])


def test_heads_depend_on_seed_and_target_only(ticket):
    heads = [
        transfer(t, r, TARGET, SETTINGS, 0).network.head.predict.weight
        for t, r in ((ticket, Finetune()), (ticket, Scratch()), (Ticket.dense(SPEC), Scratch()))
    ]
    assert torch.equal(heads[0], heads[1]) and torch.equal(heads[0], heads[2])


@pytest.mark.parametrize("recipe", [Finetune(), Scratch()])
def test_masks_hold_to_the_end_and_the_ticket_is_not_touched(ticket, recipe):
    before = ticket.hash
    training = transfer(ticket, recipe, TARGET, SETTINGS, seed=0)
    training.run()
    scored = training.averaged()
    for name, mask in ticket.host.masks.items():
        for network in (training.network, scored):
            assert (network.host.get_parameter(name)[~mask] == 0).all()
    del ticket.__dict__["hash"]
    assert ticket.hash == before and training.sparsity == ticket.sparsity


def test_frozen_trains_the_head_and_nothing_of_the_host_but_its_statistics(ticket):
    training = transfer(ticket, Frozen(), TARGET, SETTINGS, 0)
    head = training.network.head.predict.weight.detach().clone()
    training.run()
    for name, parameter in training.network.host.named_parameters():
        mask = ticket.host.masks.get(name)
        start = ticket.host.raw[name]
        assert torch.equal(parameter, start if mask is None else start * mask)
    assert not torch.equal(training.network.head.predict.weight, head)
    start = ticket.build("raw").stem[1].running_mean
    assert not torch.equal(training.network.host.stem[1].running_mean, start)
    assert training.step_cost.dense < 1.1 * training.forward_cost.dense


def test_continue_goes_on_with_host_and_head(ticket):
    training = transfer(ticket, Continue(), ToySource(), SETTINGS, 0, head="keep")
    assert torch.equal(training.network.head.predict.weight, ticket.head.raw["predict.weight"])
    assert torch.equal(training.network.host.stem[4].running_var, ticket.host.raw["stem.4.running_var"])
    training.run()
    assert training.sparsity == ticket.sparsity


def test_rewind_starts_from_the_rewind_point_under_the_mask():
    drawn = IterativeMagnitude().draw(Request(SPEC, ToySource(), SETTINGS, 0.7, 0))
    training = transfer(drawn, Rewind(), TARGET, SETTINGS, 0)
    for name, mask in drawn.host.masks.items():
        assert torch.equal(training.network.host.get_parameter(name), drawn.host.rewind[name] * mask)


def test_weights_that_a_ticket_lacks_cannot_be_inherited(ticket):
    with pytest.raises(UserError, match="no raw weights; use the recipe 'scratch'"):
        transfer(Ticket.dense(SPEC), Finetune(), TARGET, SETTINGS, 0)
    with pytest.raises(UserError, match="no rewind weights"):
        transfer(ticket, Rewind(), TARGET, SETTINGS, 0)


def test_equal_macs_are_those_of_the_full_host(ticket):
    """A ticket whose units were cut trains longer than the dense reference, for the same multiply-accumulates."""
    equal = replace(SETTINGS, equal="macs")
    sparse, dense = (transfer(t, Scratch(), TARGET, equal, 0) for t in (ticket, Ticket.dense(SPEC)))
    for training in (sparse, dense):
        training.run()
    assert dense.step == SETTINGS.steps
    assert abs(sparse.spent.macs - dense.spent.macs) <= sparse.source.batch_size * sparse.step_cost.dense


@pytest.mark.parametrize("name", RECIPES.builtin)
def test_what_planning_knows_is_what_the_recipe_says(name):
    """Planning reads a table, so that listing recipes imports no torch."""
    made = RECIPES.make(name)
    assert isinstance(made, Recipe) and RECIPES.traits(name) == made.traits
    assert made.traits.is_on_source == (name == "continue") and made.traits.is_from_rewind == ("rewind" in name)


def test_kept_head_carries_over_and_a_prediction_of_another_size_is_fresh(ticket):
    same = transfer(ticket, Finetune(), ToySource(name="toy/same"), SETTINGS, 0, head="keep")
    assert torch.equal(same.network.head.predict.weight, ticket.head.raw["predict.weight"])
    other = transfer(ticket, Finetune(), TARGET, SETTINGS, 0, head="keep")
    assert other.network.head.predict.weight.shape[0] == 3


class Narrow(ToySource):
    """A source with the released dense head, of a width of its own."""

    own = 90

    def head(self, features, units=None, width=None):
        """Averaged over pixels, so that the toy's loss fits."""
        head = PaperDense(features, self.outputs, width or self.own, units)
        head.register_forward_hook(lambda module, inputs, maps: maps.mean((2, 3)))
        return head


class Wide(Narrow):
    """As ADE20K beside Cityscapes."""

    own = 180


def test_a_kept_head_keeps_the_width_of_its_source_and_gets_a_new_classifier():
    """ADE20K -> Cityscapes as released: the block of 180 channels stays, with its masks; 180 -> 19 is fresh."""
    drawn = DRAWERS.make("gmp").draw(Request(SPEC, Wide(name="toy/wide"), SETTINGS, 0.8, 0))
    target = Narrow(name="toy/narrow", outputs=3)
    kept = transfer(drawn, Finetune(), target, SETTINGS, 0, head="keep").network
    assert kept.head.predict.weight.shape == (3, 180, 1, 1)
    project = "transform.project.weight"
    assert torch.equal(kept.head.get_parameter(project), drawn.head.raw[project] * drawn.head.masks[project])
    assert transfer(drawn, Finetune(), target, SETTINGS, 0).network.head.predict.weight.shape == (3, 90, 1, 1)


def test_a_head_that_does_not_fit_is_refused(ticket):
    class Other(ToySource):
        """Has a head with other layers."""

        def head(self, features, units=None, width=None):
            """Two layers."""
            head = super().head(features)
            head.extra = torch.nn.Linear(2, 2)
            return head

    with pytest.raises(UserError, match="the head drawn on toy/bright does not fit toy/deep"):
        transfer(ticket, Finetune(), Other(name="toy/deep"), SETTINGS, 0, head="keep")
