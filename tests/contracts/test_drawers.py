"""Every registered drawer keeps the contract; a new one is covered the moment it registers."""

from functools import cache

import pytest
import torch
from toy import DRAWERS as NAMES
from toy import SPEC, ToySource
from toy import drawn as drawn_by

from tasks.heads.paper import PaperDense
from tickets.drawers import DRAWERS
from tickets.drawers.base import AFTER, BEFORE, Drawer, Request
from tickets.masks import prunable
from tickets.settings import Settings
from tickets.source import Source
from tickets.ticket import Ticket

SETTINGS = Settings(steps=8, learning_rate=0.02, calibration_batches=1)
KNOBS = {"rho": 0.1}
"""Options for the drawers that have them."""


@pytest.fixture(params=NAMES)
def name(request) -> str:
    """One of the built-in drawers."""
    return request.param


@pytest.fixture
def drawer(name) -> Drawer:
    """The same, made."""
    return DRAWERS.make(name, KNOBS)


def draw(drawer: Drawer, sparsity: float = 0.9, seed: int = 0, source: Source | None = None) -> Ticket:
    """A ticket from a toy source, drawn after those that it needs."""
    return drawn_by(drawer, Request(SPEC, source or ToySource(), SETTINGS, sparsity, seed), KNOBS)


@cache
def drawn(name: str) -> Ticket:
    """The ticket that tests look at without drawing it anew."""
    return draw(DRAWERS.make(name, KNOBS))


def test_what_planning_knows_is_what_the_drawer_says(name, drawer):
    """Planning reads a table, so that listing drawers imports no torch."""
    assert DRAWERS.traits(name) == drawer.traits
    assert DRAWERS.resolve(name) == name


@pytest.mark.parametrize("sparsity", [0.0, 0.43, 0.9])
def test_masks_fit_the_host_and_their_count_is_exact(name, drawer, sparsity):
    ticket = drawn(name) if sparsity == 0.9 else draw(drawer, sparsity)
    weights = prunable(SPEC.build(ticket.host.units))
    assert {n: m.shape for n, m in ticket.host.masks.items()} == {n: w.shape for n, w in weights.items()}
    wanted = drawer.target(sparsity)
    assert ticket.prunable - ticket.kept == round(wanted * ticket.prunable)
    if sparsity == 0:
        assert all(m.all() for m in ticket.host.masks.values())


def test_another_seed_gives_another_ticket_and_global_random_state_is_left_alone(name, drawer):
    torch.manual_seed(2)
    before = torch.get_rng_state()
    start = SPEC.initial(0).state_dict()
    assert draw(drawer, seed=1).hash != drawn(name).hash
    assert torch.equal(torch.get_rng_state(), before)
    again = SPEC.initial(0).state_dict()
    assert all(torch.equal(start[n], again[n]) for n in start)


def test_the_same_request_gives_the_same_ticket_and_what_it_was_given_is_left_as_it_was(name, drawer):
    """Whatever the global random state; the ticket that it starts from, the source and its head keep values; no
    gradient, no hook stays anywhere."""
    given = {need.role: draw(DRAWERS.make(need.drawer, KNOBS), need.sparsity) for need in drawer.traits.needs}
    parts = [part for ticket in given.values() for part in (ticket.host, ticket.head)]
    tensors = [t for part in parts for group in (part.raw, part.ema, part.masks) for t in group.values()]
    before = [t.clone() for t in tensors]
    heads: list[torch.nn.Module] = []

    class Watched(ToySource):
        """Remembers the heads that it gave away."""

        def head(self, features, units=None, width=None):
            """A head, noted."""
            heads.append(super().head(features, units))
            return heads[-1]

    source, expected = Watched(), drawn(name).hash
    torch.manual_seed(5)
    ticket = drawer.draw(Request(SPEC, source, SETTINGS, 0.9, 0, given))
    assert ticket.hash == expected
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))
    assert not any(t.requires_grad or t.grad is not None for t in tensors)
    assert vars(source) == vars(ToySource()) and torch.is_grad_enabled()
    built = ticket.build()
    assert not any(p.grad is not None for p in built.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in (*heads, *built.modules()))


def test_survives_the_disk_and_is_scored_from_its_file(name, tmp_path):
    ticket = drawn(name)
    ticket.save(tmp_path / "t")
    back = Ticket.load(tmp_path / "t")
    assert back.hash == ticket.hash
    x = torch.randn(2, 3, 16, 16)
    for a, b in zip(ticket.build()(x), back.build()(x), strict=True):
        assert torch.equal(a, b)


def test_the_last_pruning_is_scored_before_and_after(name, drawer):
    ticket = drawn(name)
    if drawer.target(0.9):
        assert set(ticket.provenance["scores"]) == {BEFORE, AFTER}
    assert isinstance(drawer.version, int) and drawer.version >= 1


class SearchedHead(ToySource):
    """A source whose head holds a search block, as the paper's do."""

    def head(self, features, units=None, width=None):
        """The paper's dense head, averaged over pixels."""
        head = PaperDense(features, 2, width=6, units=units)
        head.register_forward_hook(lambda module, inputs, maps: maps.mean((2, 3)))
        return head


def test_a_head_with_search_blocks_is_pruned_apart_and_travels_with_the_ticket(drawer, tmp_path):
    source = SearchedHead()
    ticket = draw(drawer, 0.8, source=source)
    ticket.save(tmp_path / "t")
    back = Ticket.load(tmp_path / "t")
    masks = back.head.masks
    together = back.network_masks() if drawer.joint else masks
    removed = sum(int((~m).sum()) for m in together.values())
    assert removed == round(drawer.target(0.8) * sum(m.numel() for m in together.values()))
    assert masks and not any(name.startswith("predict.") for name in masks)
    head = source.head(back.build().features, back.head.units)
    head.load_state_dict(back.head.state("ema"), strict=True)
    assert all((head.get_parameter(name)[~mask] == 0).all() for name, mask in masks.items())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_draws_on_a_gpu(drawer):
    source = ToySource(device=torch.device("cuda"))
    batches = source.batch
    source.batch = lambda *at: {key: value.cuda() for key, value in batches(*at).items()}
    ticket = draw(drawer, 0.8, source=source)
    assert ticket.prunable - ticket.kept == round(drawer.target(0.8) * ticket.prunable)
    assert all(tensor.device.type == "cpu" for tensor in ticket.host.raw.values())
