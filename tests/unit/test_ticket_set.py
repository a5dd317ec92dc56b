"""Ticket sets: what they are made of, their files, what is let in, what they cost and predict."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from toy import SPEC, ToySource

from tickets.cost import dense_macs, layer_costs, sparse_macs
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import DamagedTicketError, UserError
from tickets.ticket import Ticket, canonical, digest
from tickets.ticket_set import TicketSet, load, members_of, single
from tickets.training.settings import Settings

SOURCE = ToySource()
REQUEST = Request(SPEC, SOURCE, Settings(12, 0.02, calibration_batches=1), 0.8, 0)


@pytest.fixture(scope="module")
def drawn():
    """A set of three sparse tickets."""
    return DRAWERS.make("dst").draw(REQUEST)


@pytest.fixture
def saved(drawn, tmp_path):
    """Its path."""
    drawn.save(tmp_path / "set-0.8")
    return tmp_path / "set-0.8"


def test_a_set_comes_back_with_its_members_and_each_of_them_alone(drawn, saved):
    back = load(saved)
    assert isinstance(back, TicketSet) and back.hash == drawn.hash == load(f"{saved}.json").hash
    assert [one.hash for one in back.members] == [one.hash for one in drawn.members]
    assert back.provenance == json.loads(canonical(dict(drawn.provenance)))
    names = sorted(path.name for path in saved.parent.iterdir())
    assert names == sorted(
        ["set-0.8.json", *(f"set-0.8.m{n}.{end}" for n in range(3) for end in ("json", "safetensors"))]
    )
    for number, member in enumerate(drawn.members):
        for suffix in ("", ".json", ".safetensors"):
            alone = load(f"{saved}.m{number}{suffix}")
            assert isinstance(alone, Ticket) and alone.hash == member.hash and members_of(alone) == (alone,)


def test_the_hash_is_that_of_the_members_in_their_order_and_of_what_is_told(drawn):
    turned = replace(drawn, members=drawn.members[::-1])
    cheaper = replace(drawn, provenance={**drawn.provenance, "spent": {**drawn.provenance["spent"], "macs": 1}})
    assert len({drawn.hash, turned.hash, cheaper.hash, replace(drawn).hash}) == 3
    told = {"format": 1, "members": [one.hash for one in drawn.members], "provenance": drawn.provenance}
    assert drawn.hash == digest(json.loads(canonical(told)))


def test_fewer_than_two_members_or_others_of_another_host_or_task_are_no_set(drawn):
    first, second, _ = drawn.members
    with pytest.raises(UserError, match=r"^a ticket set has at least 2 members and got 1; a single network"):
        TicketSet((first,))
    with pytest.raises(UserError, match=r"^member 1 of the ticket set was drawn from another host or on another task"):
        TicketSet((first, replace(second, spec=replace(SPEC, stem=8))))
    elsewhere = replace(second, provenance={**second.provenance, "source": "toy/other"})
    with pytest.raises(UserError, match="on another task than member 0; put tickets of one host and one task together"):
        TicketSet((first, elsewhere))


def flip(file, at=-1):
    """Change one bit."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def beside(path, name):
    """A file of a set, by what follows its name."""
    return path.with_name(f"{path.name}.{name}")


def exchange(path, one, other):
    """Let two members change places."""
    for end in ("json", "safetensors"):
        a, b = beside(path, f"m{one}.{end}"), beside(path, f"m{other}.{end}")
        a.rename(path.with_name("aside"))
        b.rename(a)
        path.with_name("aside").rename(b)


def retold(path, **changes):
    """Change what the set's file states, and its own hash with it."""
    file = beside(path, "json")
    told = {**json.loads(file.read_text())["set"], **changes}
    file.write_bytes(canonical({"set": told, "sha256": digest(told)}))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: beside(path, "json").unlink(), r"the set's file .*set-0\.8\.json does not exist; it tells which"),
        (lambda path: flip(beside(path, "json"), 40), "set-0.8.json"),
        (lambda path: beside(path, "json").write_bytes(beside(path, "json").read_bytes() + b"\n"), "not as it was wr"),
        (lambda path: flip(beside(path, "m1.safetensors")), r"set-0\.8\.m1\.safetensors does not have the SHA-256"),
        (lambda path: beside(path, "m2.json").unlink(), r"set-0\.8\.m2\.json does not exist"),
        (lambda path: exchange(path, 0, 2), r"set-0\.8\.m0 has the hash .*: it is another ticket, or in another's pla"),
        (lambda path: retold(path, format=7), "has ticket set format 7; this version reads format 1"),
        (lambda path: retold(path, members=3), "is no ticket set's description: members or provenance are wrong"),
        (
            lambda path: retold(path, members=json.loads(beside(path, "json").read_text())["set"]["members"][:1]),
            "is no ticket set's description: a ticket set has at least 2 members and got 1",
        ),
    ],
)
def test_what_is_not_as_it_was_written_is_refused_by_name(saved, damage, why):
    damage(saved)
    with pytest.raises(DamagedTicketError, match=why) as found:
        load(saved)
    assert "\n" not in str(found.value)


def test_a_description_that_was_changed_alone_is_found_out(saved):
    document = json.loads(beside(saved, "json").read_text())
    document["set"]["provenance"]["seed"] = 5
    beside(saved, "json").write_bytes(canonical(document))
    with pytest.raises(DamagedTicketError, match="does not have the SHA-256 that it states: it was changed"):
        load(saved)


def test_a_member_of_another_set_is_refused(drawn, saved, tmp_path):
    other = DRAWERS.make("dst").draw(replace(REQUEST, seed=1))
    other.save(tmp_path / "other")
    for end in ("json", "safetensors"):
        shutil.copy(beside(tmp_path / "other", f"m1.{end}"), beside(saved, f"m1.{end}"))
    with pytest.raises(DamagedTicketError, match=rf"m1 has the hash {other.members[1].hash[:16]}\.\.\., and set-0\.8"):
        load(saved)


def test_where_one_ticket_is_wanted_a_set_is_refused_and_a_member_is_named(saved):
    with pytest.raises(UserError, match=r"is a set of 3 tickets, and x takes one; name a member, as .*set-0\.8\.m0\.$"):
        single(saved, "x takes")
    assert isinstance(single(f"{saved}.m2", "x takes"), Ticket)


def test_a_set_costs_its_members_and_its_network_just_so(drawn):
    """4e 7: the MACs of the networks together are three times those of one, exactly; so are kept weights."""
    first = drawn.members[0]
    one = first.costs((16, 16))
    assert drawn.costs((16, 16)) == {
        "parameters": 3 * first.kept,
        "macs": 3 * one["macs"],
        "sparse_macs": sum(member.costs((16, 16))["sparse_macs"] for member in drawn.members),
        "estimated_macs": 3 * one["estimated_macs"],
    }
    assert drawn.kept == 3 * first.kept and drawn.sparsity == first.sparsity and drawn.remaining == 3 * first.remaining
    alone, together = (layer_costs(ticket.network(SOURCE), (16, 16)) for ticket in (first, drawn))
    assert dense_macs(together) == 3 * dense_macs(alone)
    each = [sparse_macs(alone, member.network_masks()) for member in drawn.members]
    assert sparse_macs(together, drawn.network_masks()) == sum(each) < dense_macs(together)


def test_the_network_of_a_set_predicts_by_the_mean_probabilities_of_its_members(drawn, saved):
    image = SOURCE.batch("val", 0)["image"]
    with torch.no_grad():
        each = [member.network(SOURCE)(image).softmax(1) for member in drawn.members]
        for found in (drawn, load(saved)):
            torch.testing.assert_close(found.network(SOURCE)(image).softmax(1), torch.stack(each).mean(0))
    assert not torch.allclose(each[0], each[1])
