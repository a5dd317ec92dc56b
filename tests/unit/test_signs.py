"""Signs: what is kept of a ticket and what is fresh, weight by weight, and that tables rank it as a ticket."""

import pytest
import torch
from toy import SPEC, ToySource, drawn

from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.recipes import RECIPES
from tickets.recipes.base import transfer
from tickets.seeding import derive
from tickets.ticket import Ticket
from tickets.training.settings import Settings
from tickets.transforms import TRANSFORMS

SETTINGS = Settings(6, 0.05, calibration_batches=1)


@pytest.fixture(scope="module")
def ticket() -> Ticket:
    """One whose norms have left their first values."""
    return drawn(DRAWERS.make("gmp"), Request(SPEC, ToySource(), SETTINGS, 0.8, 0))


def is_of_norm(name: str) -> bool:
    """In the toy supernet norms are called so, and are the second and fifth layer of the stem."""
    return "_bn." in name or name.startswith(("stem.1.", "stem.4."))


@pytest.mark.parametrize("norms", ["fresh", "kept"])
def test_signs_and_masks_are_the_ticket_s_and_all_else_is_fresh_but_norms_where_they_are_kept(ticket, norms):
    signed = TRANSFORMS.make(f"signs@norms={norms}").apply(ticket, 7)
    fresh, old = SPEC.initial(derive(7, "signs"), ticket.host.units).state_dict(), ticket.host.raw
    moved = 0
    assert signed.host.raw.keys() == old.keys()
    for name, tensor in signed.host.raw.items():
        if name in ticket.host.masks:
            assert torch.equal(tensor.abs(), fresh[name].abs()) and torch.equal(tensor.signbit(), old[name].signbit())
            assert torch.equal(signed.host.masks[name], ticket.host.masks[name])
        elif norms == "kept" and is_of_norm(name) and name.endswith(("weight", "bias")):
            assert torch.equal(tensor, old[name])
            moved += not torch.equal(tensor, fresh[name])
        else:
            assert torch.equal(tensor, fresh[name])
    assert bool(moved) == (norms == "kept")
    assert not (signed.host.ema or signed.host.rewind or signed.head.raw)
    assert (signed.provenance["transform"], signed.provenance["norms"]) == ("signs", norms)


def test_another_seed_has_other_magnitudes_and_a_transfer_starts_from_them(ticket):
    first, other = (TRANSFORMS.make("signs").apply(ticket, seed) for seed in (0, 1))
    name, mask = max(ticket.host.masks.items(), key=lambda pair: int(pair[1].sum()))
    assert not torch.equal(first.host.raw[name][mask], other.host.raw[name][mask])
    training = transfer(first, RECIPES.make("finetune"), ToySource(), SETTINGS, 0)
    assert torch.equal(training.network.host.get_parameter(name).detach(), first.host.raw[name] * mask)


def test_it_makes_tickets_and_no_controls():
    assert not TRANSFORMS.traits("signs").is_control


def test_what_has_no_weights_has_no_signs():
    with pytest.raises(UserError, match=r"^the ticket has no raw weights; use the recipe 'scratch'"):
        TRANSFORMS.make("signs").apply(Ticket.dense(SPEC), 0)


def test_norms_are_fresh_or_kept():
    with pytest.raises(UserError, match=r"transform signs, option norms: Input should be 'fresh' or 'kept'; got"):
        TRANSFORMS.make("signs@norms=some")
