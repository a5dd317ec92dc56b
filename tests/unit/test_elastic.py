"""Elastic tickets: which block copies which, tensors of the copies, induced sparsity by hand, the control, refusals."""

from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from torch import nn
from toy import SPEC, ToySource, drawn

from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.hosts.base import HostSpec
from tickets.hosts.depth import Family, carried, fitted
from tickets.hosts.supernet import PRESETS
from tickets.hosts.timm import TimmSpec
from tickets.pruning.masks import prunable
from tickets.recipes.rewind import Rewind
from tickets.seeding import generator
from tickets.ticket import Part, Ticket, part_of
from tickets.training.settings import Settings
from tickets.transforms import TRANSFORMS
from tickets.transforms.elastic import Elastic, chosen
from tickets.transforms.elastic_permuted import ElasticPermuted

SPECS = {n: SPEC.repeated(n) for n in (1, 2, 3, 5)}
"""Toy supernets of 1 + 2 branches, with so many blocks in each."""


@cache
def ticket(blocks=3, drawer="imp", sparsity=0.75):
    """A ticket of a toy supernet, after a few steps."""
    settings = Settings(steps=6, learning_rate=0.02, calibration_batches=1)
    return drawn(DRAWERS.make(drawer), Request(SPECS[blocks], ToySource(), settings, sparsity, 0))


@dataclass(frozen=True)
class Row(HostSpec):
    """50 weights, then blocks of 100 weights."""

    kind = "row"
    blocks: int = 2

    def build(self, units=None):
        """Only tensors; never run."""
        host = nn.Module()
        host.first = nn.Conv2d(5, 10, 1, bias=False)
        host.row = nn.Sequential(*(nn.Conv2d(10, 10, 1, bias=False) for _ in range(self.blocks)))
        return host

    def family(self):
        """All blocks repeat."""
        return Family({}, {"row": tuple(f"row.{i}" for i in range(self.blocks))})


def same(found, state, names):
    """That tensors are those of others, by pairs of names."""
    assert all(torch.equal(found[a], state[b]) for a, b in names) and names
    return True


def below(tensors, block):
    """The names of a block's tensors, without the block."""
    return [name.removeprefix(block) for name in tensors if name.startswith(f"{block}.")]


def by_chance(spec, host):
    """A ticket that keeps half of a host's weights."""
    drawn = {name: torch.rand(w.shape, generator=generator(0, "mask", name)) for name, w in prunable(host).items()}
    masks = {name: number < 0.5 for name, number in drawn.items()}
    return Ticket(spec, part_of(host, host, masks), provenance={"drawer": "by hand"})


# ---- the map


@pytest.mark.parametrize(
    ("n", "to", "order", "pick", "wanted"),
    [
        (3, 5, "append", "early", [0, 1, 2, 0, 1]),
        (3, 5, "interpolate", "early", [0, 0, 1, 1, 2]),
        (3, 5, "append", "late", [0, 1, 2, 1, 2]),  # the paper's example, B1 B2 B3 B2 B3
        (3, 5, "interpolate", "late", [0, 1, 1, 2, 2]),  # and B1 B2 B2 B3 B3
        (3, 5, "append", "one", [0, 1, 2, 0, 0]),
        (3, 5, "interpolate", "one", [0, 0, 0, 1, 2]),
        (3, 3, "append", "early", [0, 1, 2]),
        (1, 3, "append", "early", [0, 0, 0]),
        (2, 6, "interpolate", "late", [0, 0, 0, 1, 1, 1]),
        (5, 3, "append", "early", [0, 1, 2]),
        (5, 3, "append", "one", [0, 1, 2]),
        (5, 3, "interpolate", "late", [2, 3, 4]),
    ],
)
def test_blocks_are_copied_by_quotient_and_remainder(n, to, order, pick, wanted):
    assert chosen(n, to, order, pick) == wanted


def test_each_stage_has_a_map_of_its_own():
    lengths = Elastic().copies(TimmSpec("resnet18"), TimmSpec("resnet34"))
    assert {name: len(goals) for name, goals in lengths.items()} == {f"body.layer{k}.1": k + 1 if k < 4 else 2
        for k in (1, 2, 3, 4)} | {"body.layer3.1": 5}  # fmt: skip


@pytest.mark.parametrize(("times", "blocks"), [(2, 20), (3, 26)])
def test_the_deeper_presets_have_more_blocks_in_every_branch_and_the_same_maps(times, blocks):
    """The 6 blocks of branches among the 14 of `tiny` are there so many times."""
    tiny, deep = PRESETS["tiny"], PRESETS[f"tiny{times}"]
    with torch.device("meta"):
        hosts = [spec.build() for spec in (tiny, deep)]
    assert len(hosts[1].spec.family().stages) == 6 and hosts[0].features == hosts[1].features
    assert len(Ticket.dense(deep).host.units) == blocks == 14 + 6 * (times - 1)
    assert replace(deep, stages=tiny.stages) == tiny


# ---- tensors


@pytest.mark.parametrize("order", ["append", "interpolate"])
def test_copies_are_equal_bit_for_bit_and_all_else_is_taken_over(order):
    """3 -> 5: weights, batch norms with their statistics, masks and the rewind point; stem, fusion and block 0 stay."""
    old, spec = ticket(3), SPECS[5]
    made = Elastic(order=order).onto(old, 0, spec)
    for branch in ("branches.0.0", "branches.1.0", "branches.1.1"):
        for number, source in enumerate(chosen(3, 5, order)):
            pairs = [(f"{branch}.{number}{n}", f"{branch}.{source}{n}") for n in below(old.host.raw, f"{branch}.0")]
            assert {"running_mean", "running_var", "bias"} < {name.rpartition(".")[2] for name, _ in pairs}
            for kind in ("raw", "rewind"):
                assert same(getattr(made.host, kind), getattr(old.host, kind), pairs)
            assert same(made.host.masks, old.host.masks, [pair for pair in pairs if pair[0] in made.host.masks])
    rest = [(name, name) for name in old.host.raw if not name.startswith("branches.")]
    first = [(name, name) for name in old.host.raw if ".0." in name and name.startswith("branches.1.1.0.")]
    assert same(made.host.raw, old.host.raw, rest + first) and same(made.host.rewind, old.host.rewind, rest + first)
    assert not made.host.ema and not made.head.raw and made.spec == spec
    host = spec.build()
    assert list(made.host.raw) == list(host.state_dict()) and list(made.host.masks) == list(prunable(host))


def test_a_copy_is_no_view():
    made = Elastic().onto(ticket(1), 0, SPECS[2])
    pointers = [tensor.data_ptr() for part in (made.host.raw, ticket(1).host.raw) for tensor in part.values()]
    assert len(set(pointers)) == len(pointers)


def test_as_many_blocks_are_the_same_tensors_and_masks():
    old = ticket(3)
    made = Elastic().apply(old, 0)
    for kind in ("raw", "rewind", "masks"):
        one, other = getattr(made.host, kind), getattr(old.host, kind)
        assert list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)
    assert made.host.units == old.host.units and made.sparsity == old.sparsity


@pytest.mark.parametrize("n", [1, 3])
def test_what_was_stretched_and_is_squeezed_again_is_as_it_was(n):
    old, elastic = ticket(n), Elastic()
    back = elastic.onto(elastic.onto(old, 0, SPECS[5]), 0, old.spec)
    for kind in ("raw", "rewind", "masks"):
        one, other = getattr(back.host, kind), getattr(old.host, kind)
        assert list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)
    assert back.spec == old.spec and back.host.units == old.host.units and back.kept == old.kept


def test_a_squeezed_ticket_keeps_the_first_blocks_or_the_last():
    old, name = ticket(3), "branches.1.0.{}.expand.weight"
    for pick, kept in (("early", (0, 1)), ("late", (1, 2))):
        made = Elastic(pick=pick).onto(old, 0, SPECS[2])
        pairs = [(name.format(i), name.format(source)) for i, source in enumerate(kept)]
        assert same(made.host.raw, old.host.raw, pairs)
        assert not any(".2." in key for key in made.host.raw if key.startswith("branches."))


def test_copies_have_the_units_that_a_search_left():
    """The first block's 5x5 branch lost two units and all 7x7; its second copy is built so, too, and computes."""
    spec = SPECS[1]
    units = {name: dict(kernels) for name, kernels in Ticket.dense(spec).host.units.items()}
    units["branches.1.0.0"] = {3: 4, 5: 2, 7: 0}
    host = spec.build(units)
    old = by_chance(spec, host)
    made = Elastic().onto(old, 0, SPECS[3])
    for i in range(3):
        assert made.host.units[f"branches.1.0.{i}"] == old.host.units["branches.1.0.0"]
    assert all(torch.isfinite(out).all() for out in made.build("raw")(torch.randn(2, 3, 16, 16)))


def test_a_timm_ticket_is_stretched_inside_its_family_and_its_file_is_sound(tmp_path):
    """Resnet18 -> resnet34: [2, 2, 2, 2] -> [3, 4, 6, 3]; the first block of a stage is not copied."""
    spec = TimmSpec("resnet18")
    host = spec.initial(0)
    old = by_chance(spec, host)
    made = Elastic(host="timm/resnet18").onto(old, 0, TimmSpec("resnet34"))
    weights = [(f"body.layer3.{i}.conv1.weight", "body.layer3.1.conv1.weight") for i in range(1, 6)]
    assert same(made.host.raw, old.host.raw, [*weights, *[("body.layer3.0.conv1.weight",) * 2]])
    assert same(made.host.masks, old.host.masks, weights)
    made.save(tmp_path / "t")
    back = Ticket.load(tmp_path / "t")
    assert back.hash == made.hash and back.spec == TimmSpec("resnet34")
    assert [m.shape[1] for m in back.build("raw")(torch.randn(1, 3, 64, 64))] == [64, 64, 128, 256, 512]


# ---- sparsity


def row_ticket():
    """By hand: first 50 of 50 weights, block A 20 of 100, block B 40 of 100 are kept: sparsity 0.56."""
    spec = Row()
    host = spec.build()
    kept = {"first.weight": 50, "row.0.weight": 20, "row.1.weight": 40}
    masks = {name: (torch.arange(w.numel()) < kept[name]).view(w.shape) for name, w in prunable(host).items()}
    state = host.state_dict()
    return Ticket(spec, Part(masks, state, rewind=state), provenance={"sparsity": 0.56, "drawer": "by hand"})


def test_the_sparsity_is_what_comes_of_it():
    """B twice: 150 of 350 are kept; A twice: 130 of 350; A alone: 70 of 150."""
    old = row_ticket()
    assert old.sparsity == 0.56
    for pick, blocks, kept, of in (("late", 3, 150, 350), ("early", 3, 130, 350), ("early", 1, 70, 150)):
        made = Elastic(pick=pick).onto(old, 0, Row(blocks))
        assert (made.kept, made.prunable) == (kept, of)
        assert made.sparsity == made.provenance["sparsity"] == pytest.approx(1 - kept / of)
        assert made.provenance["asked"] == 0.56
    assert Elastic(pick="late").onto(old, 0, Row(3)).sparsity == pytest.approx(0.5714286, abs=1e-7)


@pytest.mark.parametrize(
    ("drawer", "sparsity"),
    [("imp", 0.75), ("omp@pattern=channel", 0.75), ("omp@pattern=1:2", 0.5), ("imp@joint=true", 0.5)],
)
def test_the_file_of_a_stretched_ticket_is_verified_by_its_own_sparsity(drawer, sparsity, tmp_path):
    old = ticket(1, drawer, sparsity)
    for number, made in enumerate(cls().onto(old, 0, SPECS[2]) for cls in (Elastic, ElasticPermuted)):
        made.save(tmp_path / f"t{number}")
        assert Ticket.load(tmp_path / f"t{number}").hash == made.hash


def test_the_file_of_a_stretched_ticket_that_tells_the_sparsity_asked_for_is_refused(tmp_path):
    made = Elastic().onto(ticket(1), 0, SPECS[2])
    assert made.sparsity != made.provenance["asked"] == 0.75
    replace(made, provenance={**made.provenance, "sparsity": 0.75}).save(tmp_path / "wrong")
    with pytest.raises(UserError, match=r"is not the 0\.75 that was drawn"):
        Ticket.load(tmp_path / "wrong")


def test_remaining_is_of_the_target_s_host():
    made = Elastic().onto(ticket(1), 0, SPECS[3])
    assert made.remaining == made.kept / sum(w.numel() for w in prunable(SPECS[3].build()).values())
    assert made.macs_spent == ticket(1).macs_spent


# ---- the control


def test_the_control_shuffles_further_copies_only_and_keeps_every_layer_s_count():
    """As released: the first copy of a block keeps its mask, and weights are those of the elastic ticket."""
    old, spec = ticket(3), SPECS[5]
    made, plain = ElasticPermuted().onto(old, 0, spec), Elastic().onto(old, 0, spec)
    changed = {name for name in made.host.masks if not torch.equal(made.host.masks[name], plain.host.masks[name])}
    assert changed and {name.split(".")[3] for name in changed} == {"3", "4"}
    assert all(name.startswith("branches.") for name in changed)
    assert all(made.host.masks[name].sum() == plain.host.masks[name].sum() for name in plain.host.masks)
    assert all(torch.equal(made.host.raw[name], plain.host.raw[name]) for name in plain.host.raw)
    assert all(torch.equal(made.host.rewind[name], plain.host.rewind[name]) for name in plain.host.rewind)
    other = ElasticPermuted().onto(old, 1, spec)
    assert any(not torch.equal(made.host.masks[name], other.host.masks[name]) for name in changed)
    assert made.provenance["transform"] == "elastic_permuted" and made.provenance["sparsity"] == plain.sparsity


def test_further_copies_are_shuffled_each_in_its_own_way():
    made = ElasticPermuted().onto(ticket(1), 0, SPECS[3])
    first, second, third = (made.host.masks[f"branches.1.1.{i}.expand.weight"] for i in range(3))
    assert not torch.equal(first, second) and not torch.equal(second, third)
    assert first.sum() == second.sum() == third.sum()


# ---- refusals


def test_a_name_that_would_be_written_twice_or_not_at_all_is_refused():
    """The released check of completeness holds for its residual networks alone; here every name is written once."""
    state = {"a.0.w": torch.zeros(2), "a.1.w": torch.ones(2), "b": torch.ones(1)}
    with pytest.raises(ValueError, match=r"'a\.0\.w' is written twice, the second time from 'a\.1\.w'"):
        carried(state, {"a.0": ["a.0"], "a.1": ["a.1", "a.0"]})
    with pytest.raises(ValueError, match="'b' is written twice"):
        carried({"a.w": torch.zeros(2), "b": torch.zeros(2), "b.w": torch.zeros(1)}, {"a.w": ["b"]})
    found = carried(state, {"a.0": ["a.0"], "a.1": []})
    assert list(found) == ["a.0.w", "b"]
    names = ("this", "that")
    for wanted, said in (
        ({**found, "c": torch.zeros(3)}, r"^'c' is absent in what this gives and \[3\] in that; stretch inside one"),
        ({"b": found["b"]}, r"^'a\.0\.w' is \[2\] in what this gives and absent in that;"),
        ({**found, "b": torch.zeros(7)}, r"^'b' is \[1\] in what this gives and \[7\] in that;"),
    ):
        with pytest.raises(UserError, match=said):
            fitted(found, wanted, names)
    assert list(fitted(found, {"b": found["b"], "a.0.w": found["a.0.w"]}, names)) == ["b", "a.0.w"]


def test_a_prefix_is_a_whole_name():
    """Block 1 is not the beginning of block 10."""
    assert carried({"a.1.w": 1, "a.10.w": 10}, {"a.1": ["a.1", "a.2"], "a.10": ["a.3"]}) == {
        "a.1.w": 1, "a.2.w": 1, "a.3.w": 10,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("there", "host", "said"),
    [
        ("supernet/tiny", "supernet/tiny", "the draw's host supernet/tiny is the target's, and nothing is stretched;"),
        ("supernet/tiny", "supernet/tiny@expansion=2", "the draw's host supernet/tiny is the target's, and nothing"),
        ("supernet/small", "supernet/tiny2", "supernet/small has branches 1, 2, 3, 4 and supernet/tiny2 1, 2, 3;"),
        ("supernet/tiny", "supernet/tiny2@stem=8", "supernet/tiny has stem 12 and supernet/tiny2@stem=8 8; stretch"),
        ("timm/resnet26", "timm/resnet18", "timm/resnet26 has blocks Bottleneck and timm/resnet18 BasicBlock; stretch"),
        ("timm/resnet18", "supernet/tiny", "timm/resnet18 has kind timm and supernet/tiny supernet; stretch inside"),
        ("timm/vgg11_bn", "timm/vgg13_bn", "timm/vgg11_bn has no stages of blocks that repeat; take another host"),
        ("timm/resnet18", "timm/resnet18d", "'body.conv1.0.weight' is absent in what timm/resnet18 gives and [32, 3,"),
        ("timm/convnext_atto", "timm/convnext_femto", "'body.stem_0.weight' is [40, 3, 4, 4] in what timm/convnext_at"),
    ],
)
def test_hosts_of_two_families_are_refused_in_one_sentence(there, host, said):
    with pytest.raises(UserError) as error:
        Elastic(host=there).check(HOSTS.make(host), host)
    assert str(error.value).startswith(said) and str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.parametrize("way", [("timm/resnet50", "timm/resnet26"), ("timm/convnext_tiny", "timm/convnext_small")])
def test_families_of_timm_are_found_by_their_blocks(way):
    there, host = way
    Elastic(host=there).check(HOSTS.make(host), host)
    Elastic(host=host).check(HOSTS.make(there), there)


def test_a_squeezed_ticket_has_no_copies_to_shuffle():
    with pytest.raises(UserError, match="a ticket of supernet/tiny3 is squeezed to supernet/tiny2, and no block is"):
        ElasticPermuted(host="supernet/tiny3").check(HOSTS.make("supernet/tiny2"), "supernet/tiny2")


def test_a_kind_that_does_not_say_what_repeats_is_refused():
    with pytest.raises(UserError, match="hosts of the kind mute do not say which of their blocks repeat; take"):
        type("Mute", (HostSpec,), {"kind": "mute", "build": None})().family()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("elastic@order=random", "order is 'random'; give append or interpolate"),
        ("elastic_permuted@pick=all", "pick is 'all'; give early, late or one"),
        ("elastic@host=supernet/tin", "unknown host 'supernet/tin'. Did you mean 'supernet/tiny'?"),
    ],
)
def test_options_are_checked(name, said):
    with pytest.raises(UserError) as error:
        TRANSFORMS.resolve(name)
    assert said in str(error.value)


def test_a_stretched_ticket_without_a_rewind_point_has_none():
    made = Elastic().onto(ticket(1, "gmp"), 0, SPECS[2])
    with pytest.raises(UserError, match="the ticket has no rewind weights"):
        Rewind().host(made, 0)
