"""Patterns of masks: exact counts by group, ties, what does not fit, and tickets that are verified by theirs."""

from dataclasses import replace

import pytest
import torch
from toy import SPEC, ToySource

from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import DamagedTicketError, UserError
from tickets.hosts.supernet import Spec, Stage
from tickets.patterns import PATTERNS
from tickets.patterns.nm import NofM
from tickets.pruning.allocation import allocate
from tickets.seeding import generator
from tickets.ticket import Ticket
from tickets.training.settings import Settings
from tickets.transforms.random import Random

SHAPES = {"stem": (8, 4, 3, 3), "depthwise": (16, 1, 4, 4), "wide": (12, 8, 1, 1), "linear": (10, 8)}
EVEN = Spec(stem=8, stages=(Stage((1,), (4,)), Stage((1, 1), (4, 8))), expansion=4)
"""A host all of whose layers have a multiple of 8 weights."""
LEVELS = {"element": 0.7, "kernel": 0.7, "channel": 0.5, "2:4": 0.5, "1:4": 0.75, "1:2": 0.5, "4:8": 0.5}
every = pytest.mark.parametrize("name", LEVELS)


def drawn(shapes=SHAPES) -> dict[str, torch.Tensor]:
    """Random scores, the layers of different scale."""
    g = generator(0, "scores")
    return {name: torch.rand(shape, generator=g) * (i + 1) for i, (name, shape) in enumerate(shapes.items())}


def groups(name: str, mask: torch.Tensor) -> torch.Tensor:
    """A mask's entries by group, written out for each pattern apart; (groups, entries)."""
    if name == "channel":
        return mask.flatten(1)
    if name == "kernel":
        return mask.flatten(2).flatten(0, 1) if mask.dim() == 4 else mask.reshape(-1, 1)
    if name == "element":
        return mask.reshape(-1, 1)
    last = mask.permute(0, 2, 3, 1) if mask.dim() == 4 else mask
    return last.reshape(-1, int(name.partition(":")[2]))


# ---- counts


@every
def test_every_group_stays_or_goes_and_the_count_is_exact(name):
    level = LEVELS[name]
    masks = PATTERNS.make(name).masks(drawn(), level, "global")
    assert {n: tuple(m.shape) for n, m in masks.items()} == SHAPES
    parts = {n: groups(name, mask) for n, mask in masks.items()}
    if ":" in name:
        n = int(name.partition(":")[0])
        assert all((part.sum(1) == n).all() for part in parts.values())
    else:
        assert all((part.all(1) | ~part.any(1)).all() for part in parts.values())
        total = sum(len(part) for part in parts.values())
        assert sum(int((~part.any(1)).sum()) for part in parts.values()) == round(level * total)


@pytest.mark.parametrize("name", ["element", "kernel", "channel"])
@pytest.mark.parametrize("sparsity", [0.0, 0.31, 0.5, 0.9])
def test_the_groups_of_highest_mean_score_stay(name, sparsity):
    """A group of many small weights does not beat one of few large ones."""
    scores = drawn()
    masks = PATTERNS.make(name).masks(scores, sparsity, "global")
    means = torch.cat([groups(name, score).mean(1) for score in scores.values()])
    kept = torch.cat([groups(name, mask).any(1) for mask in masks.values()])
    assert not (~kept).any() or means[kept].min() > means[~kept].max()


def test_two_of_four_by_hand_and_of_equal_ones_the_earlier_stay():
    """Input channels are read last: a group of a 1x1 layer is a row, one of a 2x1 kernel lies across its rows."""
    rows = torch.tensor([[0.1, 0.4, 0.3, 0.2], [1.0, 1.0, 1.0, 1.0], [0.0, -1.0, 5.0, -2.0]])
    masks = NofM(2, 4).masks({"w": rows}, 0.5, "erk")
    assert masks["w"].int().tolist() == [[0, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0]]
    conv = torch.tensor([1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0]).view(1, 4, 2, 1)
    found = NofM(2, 4).masks({"w": conv}, 0.5, "global")["w"]
    assert found[0, :, 0, 0].int().tolist() == [0, 0, 1, 1] and found[0, :, 1, 0].int().tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(("sparsity", "kept"), [(0.0, 4), (0.1, 4), (0.25, 3), (0.3, 3), (0.5, 2)])
def test_while_the_sparsity_rises_a_group_keeps_what_it_leaves(sparsity, kept):
    """As gradual pruning asks for; never fewer than n."""
    assert int(NofM(2, 4).masks(drawn(), sparsity, "global")["linear"].sum()) == 10 * 2 * kept


def test_ties_of_whole_groups_keep_the_earlier():
    scores = {"a": torch.ones(4, 2, 1, 1), "b": torch.ones(2, 4)}
    masks = PATTERNS.make("channel").masks(scores, 0.5, "global")
    assert masks["a"].flatten(1).any(1).tolist() == [True, True, True, False] and not masks["b"].any()


@pytest.mark.parametrize("allocation", ["uniform", "erk"])
def test_allocations_count_groups_by_the_shapes_of_the_weights(allocation):
    """As if every group were an entry: for channels, `erk` still goes by all dims of the layer."""
    scores = drawn()
    masks = PATTERNS.make("channel").masks(scores, 0.5, allocation)
    means = {name: score.flatten(1).mean(1) for name, score in scores.items()}
    expected = allocate(means, 0.5, allocation, SHAPES)
    assert all(torch.equal(mask.flatten(1).any(1), expected[name]) for name, mask in masks.items())
    if allocation == "uniform":
        assert [int(mask.flatten(1).any(1).sum()) for mask in masks.values()] == [4, 8, 6, 5]


def test_element_is_what_allocations_always_were():
    for allocation in ("global", "uniform", "erk"):
        masks, expected = (f(drawn(), 0.7, allocation) for f in (PATTERNS.make("element").masks, allocate))
        assert all(torch.equal(masks[name], expected[name]) for name in masks)


# ---- what does not fit


def test_a_layer_that_the_groups_do_not_divide_is_refused_before_any_work():
    with pytest.raises(UserError, match=r"^the pattern 2:4 does not divide 'stem\.0\.weight', whose 135 wei"):
        DRAWERS.make("gmp@pattern=2:4").check(replace(SPEC, stem=5), 0.5)
    DRAWERS.make("gmp@pattern=2:4").check(EVEN, 0.5)


@pytest.mark.parametrize(("name", "level"), [("2:4", "0.5"), ("1:4", "0.75")])
def test_a_sparsity_that_the_pattern_cannot_have_is_refused(name, level):
    drawer = DRAWERS.make(f"gmp@pattern={name}")
    for call in (lambda: drawer.check(EVEN, 0.9), lambda: drawer.draw(Request(EVEN, ToySource(), SETTINGS, 0.9, 0))):
        with pytest.raises(UserError, match=f"which is sparsity {level}, and 0.9 was asked for; give --sp"):
            call()
    assert drawer.target(0.0) == 0.0 and drawer.target(float(level)) == float(level)
    assert DRAWERS.make(f"dense@pattern={name}").target(0.9) == 0.0


@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 4), (5, 4)])
def test_a_pattern_without_a_choice_is_refused(n, m):
    with pytest.raises(UserError, match=f"^n is {n} and m is {m}; n of m weights stay, with 1 <= n < m$"):
        NofM(n, m)


def test_an_unknown_pattern_gets_a_suggestion():
    with pytest.raises(UserError, match=r"unknown pattern 'kernal'\. Did you mean 'kernel'\? Known: element, kern"):
        DRAWERS.make("omp@pattern=kernal")


# ---- tickets


SETTINGS = Settings(4, 0.02, calibration_batches=1)


@pytest.fixture(scope="module")
def tickets() -> dict[str, Ticket]:
    """One of each pattern, gradually pruned, so that sparsities below the last one are met too."""
    found = {}
    for name, level in LEVELS.items():
        drawer = DRAWERS.make(f"gmp@pattern={name}@interval=0.25")
        found[name] = drawer.draw(Request(EVEN, ToySource(), SETTINGS, level, 0))
    return found


@every
def test_a_ticket_of_a_pattern_is_saved_and_verified(tickets, tmp_path, name):
    ticket = tickets[name]
    ticket.save(tmp_path / "t")
    back = Ticket.load(tmp_path / "t")
    assert back.hash == ticket.hash and back.provenance.get("pattern", "element") == name
    parts = [groups(name, mask) for mask in back.host.masks.values()]
    if ":" in name:
        assert all((part.sum(1) == int(name[0])).all() for part in parts) and back.sparsity == LEVELS[name]
    else:
        gone = sum(int((~part.any(1)).sum()) for part in parts)
        assert gone == round(LEVELS[name] * sum(len(part) for part in parts))


def bent(ticket: Ticket, change) -> Ticket:
    """The ticket after a change to a copy of its largest mask, which is well hashed."""
    masks = {name: mask.clone() for name, mask in ticket.host.masks.items()}
    change(masks[max(masks, key=lambda name: masks[name].numel())])
    return replace(ticket, host=replace(ticket.host, masks=masks))


def swap(mask: torch.Tensor) -> None:
    """Exchange two entries of unlike groups, so that the count stays."""
    flat = mask.view(-1)
    flat[int(flat.nonzero()[0])], flat[int((~flat).nonzero()[-1])] = False, True


@pytest.mark.parametrize("name", ["kernel", "channel", "2:4", "1:4", "1:2", "4:8"])
def test_a_mask_that_breaks_its_pattern_is_refused_though_its_count_is_right(tickets, tmp_path, name):
    """Kernels of a depthwise layer are cut through, n:m groups keep one more and one fewer."""
    masks = {n: m.clone() for n, m in tickets[name].host.masks.items()}
    cut = next(m for m in masks.values() if m.shape[-1] > 1 and m.any() and not m.all())
    swap(cut)
    changed = replace(tickets[name], host=replace(tickets[name].host, masks=masks))
    assert changed.kept == tickets[name].kept
    changed.save(tmp_path / "bent")
    with pytest.raises(DamagedTicketError, match=r"(cuts through a group|a group of '.*' keeps \d of \d weights a)"):
        Ticket.load(tmp_path / "bent")


def test_a_group_too_many_is_refused(tickets, tmp_path):
    """Whole, so that no group is cut through, and the description is of the changed ticket."""
    bent(tickets["channel"], lambda mask: mask[:].fill_(True)).save(tmp_path / "bent")
    with pytest.raises(DamagedTicketError, match=r"\d+ of \d+ groups are gone, which is not the sparsity 0\.5 that"):
        Ticket.load(tmp_path / "bent")


def test_a_ticket_under_another_pattern_s_name_is_refused(tickets, tmp_path):
    provenance = {**tickets["element"].provenance, "pattern": "channel"}
    replace(tickets["element"], provenance=provenance).save(tmp_path / "bent")
    with pytest.raises(DamagedTicketError, match=r"the mask of '.*' cuts through a group"):
        Ticket.load(tmp_path / "bent")


@every
def test_the_shuffled_control_keeps_the_pattern_and_every_layer_s_count(tickets, tmp_path, name):
    ticket = tickets[name]
    control = Random().apply(ticket, 0)
    control.save(tmp_path / "control")
    back = Ticket.load(tmp_path / "control")
    assert {n: int(m.sum()) for n, m in back.host.masks.items()} == {
        n: int(m.sum()) for n, m in ticket.host.masks.items()
    }
    assert any(not torch.equal(m, ticket.host.masks[n]) for n, m in back.host.masks.items())
    assert Random().apply(ticket, 0).hash == control.hash != Random().apply(ticket, 1).hash
