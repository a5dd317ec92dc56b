"""The ticket on disk: it comes back as it was, and nothing damaged is let in."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from toy import SPEC, ToySource

from tickets.drawers.base import Request
from tickets.drawers.gmp import GradualMagnitude
from tickets.drawers.supertickets import SuperTickets
from tickets.errors import DamagedTicketError, UserError
from tickets.ticket import Ticket
from tickets.training.settings import Settings
from tickets.transforms.random import Random

SETTINGS = Settings(steps=20, learning_rate=0.05, calibration_batches=2)


@pytest.fixture(scope="module")
def ticket():
    """A small ticket with cut units."""
    return SuperTickets(threshold=0.95, rho=0.3).draw(Request(SPEC, ToySource(), SETTINGS, 0.8, 0))


@pytest.fixture
def saved(ticket, tmp_path):
    """Its path."""
    ticket.save(tmp_path / "one")
    return tmp_path / "one"


def test_comes_back_bit_for_bit(ticket, saved):
    back = Ticket.load(saved)
    assert back.hash == ticket.hash
    assert back.host.units == ticket.host.units and back.provenance == json.loads(json.dumps(ticket.provenance))
    for kind in ("masks", "raw", "ema"):
        for part in ("host", "head"):
            a, b = (getattr(getattr(t, part), kind) for t in (ticket, back))
            assert list(a) == list(b) or kind != "masks"
            assert a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)
    for suffix in (".json", ".safetensors"):
        assert Ticket.load(saved.with_name("one" + suffix)).hash == ticket.hash


def test_sparsity_is_exact_and_remaining_counts_from_the_full_supernet(ticket):
    assert ticket.prunable - ticket.kept == round(0.8 * ticket.prunable)
    full = Ticket.dense(SPEC)
    assert ticket.remaining == ticket.kept / full.prunable < 1 - ticket.sparsity
    assert full.remaining == 1 and full.sparsity == 0


def test_built_module_is_plain_and_holds_the_averaged_weights(ticket, saved):
    """Averaged weights, zeros where the mask removes, no dependence on the ticket afterwards."""
    host = Ticket.load(saved).build()
    assert not host.training
    for name, mask in ticket.host.masks.items():
        assert (host.get_parameter(name)[~mask] == 0).all()
    assert [tuple(m.shape) for m in host(torch.randn(1, 3, 16, 16))] == [(1, 4, 4, 4), (1, 6, 2, 2)]
    raw = ticket.build("raw")
    assert any(not torch.equal(p, q) for p, q in zip(host.parameters(), raw.parameters(), strict=True))


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
@pytest.mark.parametrize("place", [0.0, 0.02, 0.3, 0.6, 0.95, 0.99999])
def test_a_flipped_byte_is_refused(saved, suffix, place):
    file = saved.with_name("one" + suffix)
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedTicketError, match=r"one\.(safetensors|json)"):
        Ticket.load(saved)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
@pytest.mark.parametrize("length", [0, 5, 200, -1])
def test_a_truncated_file_is_refused_by_name(saved, suffix, length):
    file = saved.with_name("one" + suffix)
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(DamagedTicketError, match=rf"one\{suffix}"):
        Ticket.load(saved)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_missing_file_is_named(saved, suffix):
    saved.with_name("one" + suffix).unlink()
    with pytest.raises(DamagedTicketError, match=rf"one\{suffix} does not exist"):
        Ticket.load(saved)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_partners_of_two_tickets_do_not_go_together(saved, tmp_path, suffix):
    other = GradualMagnitude().draw(Request(SPEC, ToySource(), SETTINGS, 0.8, 1))
    other.save(tmp_path / "two")
    shutil.copy(tmp_path / f"two{suffix}", saved.with_name("one" + suffix))
    with pytest.raises(DamagedTicketError, match="belong to different tickets"):
        Ticket.load(saved)


def test_a_foreign_safetensors_file_is_refused(saved):
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, saved.with_name("one.safetensors"))
    with pytest.raises(DamagedTicketError, match=r"one\.safetensors"):
        Ticket.load(saved)


def test_a_description_that_lacks_a_key_is_refused(ticket, tmp_path, monkeypatch):
    """Well hashed, and yet not a ticket."""
    whole = Ticket.description.fget(ticket)
    monkeypatch.setattr(Ticket, "description", {k: v for k, v in whole.items() if k != "spec"})
    replace(ticket).save(tmp_path / "bent")
    with pytest.raises(DamagedTicketError, match=r"bent\.json is no ticket's description: KeyError\('spec'\)"):
        Ticket.load(tmp_path / "bent")


def test_a_mask_that_does_not_have_the_drawn_sparsity_is_refused(ticket, tmp_path):
    """Even where both files agree: the count is checked against what was asked for."""
    masks = {n: m.clone() for n, m in ticket.host.masks.items()}
    first = next(iter(masks.values())).flatten()
    first[int((~first).nonzero()[0])] = True
    replace(ticket, host=replace(ticket.host, masks=masks)).save(tmp_path / "bent")
    with pytest.raises(DamagedTicketError, match=r"is not the 0\.8 that was drawn"):
        Ticket.load(tmp_path / "bent")


def test_tensors_that_do_not_fit_the_architecture_are_refused(ticket, tmp_path):
    raw = {n: t for n, t in ticket.host.raw.items() if n != "stem.0.weight"}
    replace(ticket, host=replace(ticket.host, raw=raw)).save(tmp_path / "bent")
    with pytest.raises(DamagedTicketError, match=r"raw tensor 'stem\.0\.weight' does not fit"):
        Ticket.load(tmp_path / "bent")


def test_random_control_keeps_everything_but_positions(ticket):
    control = Random().apply(ticket, seed=0)
    assert {n: int(m.sum()) for n, m in control.host.masks.items()} == {
        n: int(m.sum()) for n, m in ticket.host.masks.items()
    }
    assert any(not torch.equal(m, ticket.host.masks[n]) for n, m in control.host.masks.items())
    assert all(torch.equal(t, ticket.host.raw[n]) for n, t in control.host.raw.items())
    assert control.host.units == ticket.host.units and control.hash != ticket.hash
    assert Random().apply(ticket, seed=0).hash == control.hash != Random().apply(ticket, seed=1).hash
    with pytest.raises(UserError, match="no ema weights"):
        control.build("ema")


def test_costs_are_of_the_architecture_that_is_left(ticket):
    dense, sparse = Ticket.dense(SPEC).costs((16, 16)), ticket.costs((16, 16))
    assert sparse["parameters"] == ticket.kept < dense["parameters"]
    assert sparse["sparse_macs"] < sparse["macs"] < dense["macs"] == dense["sparse_macs"]
    assert sparse["estimated_macs"] == pytest.approx(0.2 * sparse["macs"], rel=0.01)
