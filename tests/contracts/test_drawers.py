"""What built-in drawers do with a head that is searched, and on a GPU; the contract that ships covers the rest."""

import pytest
import torch
from toy import DRAWERS as NAMES
from toy import ToySource, toy_spec
from toy import drawn as drawn_by

from tasks.heads.paper import PaperDense
from tickets.drawers import DRAWERS
from tickets.drawers.base import Drawer, Request
from tickets.source import Source
from tickets.ticket import Ticket
from tickets.ticket_set import TicketSet, load, members_of
from tickets.training.settings import Settings

SETTINGS = Settings(steps=6, learning_rate=0.02, calibration_batches=1)


@pytest.fixture(params=NAMES)
def drawer(request) -> Drawer:
    """One of the built-in drawers."""
    return DRAWERS.make(request.param, {"rho": 0.1})


def draw(drawer: Drawer, sparsity: float, source: Source) -> Ticket | TicketSet:
    """A ticket, or a set, from a toy source, drawn after those that it needs."""
    return drawn_by(drawer, Request(toy_spec(drawer), source, SETTINGS, sparsity, 0), {"rho": 0.1})


class SearchedHead(ToySource):
    """A source whose head holds a search block, as the paper's do."""

    def head(self, features, units=None, width=None):
        """The paper's dense head, averaged over pixels."""
        head = PaperDense(features, 2, width=6, units=units)
        head.register_forward_hook(lambda module, inputs, maps: maps.mean((2, 3)))
        return head


def test_a_head_with_search_blocks_is_pruned_apart_and_travels_with_the_ticket(drawer, tmp_path):
    source = SearchedHead()
    draw(drawer, 0.8, source).save(tmp_path / "t")
    for back in members_of(load(tmp_path / "t")):
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
    for ticket in members_of(draw(drawer, 0.8, source)):
        assert ticket.prunable - ticket.kept == round(drawer.target(0.8) * ticket.prunable)
        assert all(tensor.device.type == "cpu" for tensor in ticket.host.raw.values())
