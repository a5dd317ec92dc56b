"""The blocks of docs/ecosystem.md run as they stand, and the house imports none of what they need."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import timm
import torch

import tickets.ecosystem.timm  # noqa: F401  # registers the name
from tickets.ecosystem.hub import HubTicket
from tickets.ecosystem.mmengine import TicketBackbone
from tickets.errors import UserError
from tickets.hosts.timm import TimmSpec
from tickets.pruning.lasting import masks_of
from tickets.pruning.masks import keep_top, prunable
from tickets.ticket import Part, Ticket, copied

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ecosystem.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ticket():
    """A ticket of a small timm host, of weights that nobody trained."""
    spec = TimmSpec("test_resnet")
    host = spec.initial(0)
    masks = keep_top({name: weight.detach().abs() for name, weight in prunable(host).items()}, 0.8)
    provenance = {"size": [64, 64], "base": {"hash": None, "macs": 0}, "sparsity": 0.8}
    return Ticket(spec, Part(masks, copied(host), copied(host)), provenance=provenance)


@pytest.fixture
def here(ticket, tmp_path, monkeypatch):
    """A folder that holds the ticket's two files, as on the page."""
    ticket.save(tmp_path / "ticket")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    return tmp_path


@pytest.mark.filterwarnings("ignore")  # of mmseg, Lightning and what they import
def test_the_page_runs_as_it_stands(here):
    """One block after the other, each failing by itself."""
    names = {"__name__": "page"}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(blocks) == 8
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/ecosystem.md, block {number}", "exec"), names)
    assert masks_of(names["segmentor"].backbone) and masks_of(names["detector"].backbone)


def test_timm_gives_maps_and_classes(here, ticket):
    image = torch.randn(2, 3, 64, 64)
    maps = timm.create_model("ticket", path="ticket.json", features_only=True).eval()
    for got, wanted in zip(maps(image), ticket.build()(image), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=0)
    assert masks_of(maps) and not masks_of(timm.create_model("ticket", path="ticket.json", masks="none"))
    assert [(i["num_chs"], i["reduction"]) for i in maps.feature_info.get_dicts()] == ticket.build().features
    model = timm.create_model("ticket", path="ticket.json", num_classes=0).eval()
    torch.testing.assert_close(model(image), ticket.build()(image)[-1].mean((2, 3)))
    model.reset_classifier(7)
    assert model(image).shape == (2, 7) and timm.data.resolve_model_data_config(model)["input_size"] == (3, 64, 64)


def test_timm_loads_a_checkpoint_on_top(here):
    model = timm.create_model("ticket", path="ticket.json", num_classes=3)
    torch.nn.init.constant_(model.fc.bias, 5)
    torch.save(model.state_dict(), "mine.pth")
    again = timm.create_model("ticket", path="ticket.json", num_classes=3, checkpoint_path="mine.pth")
    assert again.fc.bias.tolist() == [5, 5, 5] and masks_of(again)


def test_without_a_file_there_is_no_ticket(here):
    with pytest.raises(UserError, match=r"a ticket needs its file; call timm\.create_model"):
        timm.create_model("ticket")
    with pytest.raises(UserError, match="does not exist; a ticket is two files"):
        TicketBackbone("nowhere.json")


def test_a_backbone_s_maps_have_names_and_widths(ticket):
    widths = [width for width, _ in ticket.build().features]
    whole, last = ticket.backbone(), ticket.backbone({-1: "out"})
    assert whole.out_channels == widths and last.out_channels == widths[-1]
    assert list(whole(torch.ones(1, 3, 64, 64))) == [str(i) for i in range(len(widths))]
    assert list(last(torch.ones(1, 3, 64, 64))) == ["out"]
    with pytest.raises(UserError, match=f"the host has {len(widths)} maps, and 9 was asked for"):
        ticket.backbone({9: "out"})


@pytest.mark.parametrize("form", ["parametrize", "prune"])
def test_a_trained_module_comes_back_from_its_folder(here, ticket, form):
    module = HubTicket.of(ticket, masks=form).train()
    made = torch.optim.SGD(module.parameters(), lr=0.1)
    sum(one.pow(2).mean() for one in module(torch.randn(2, 3, 64, 64))).backward()
    made.step()
    module.eval().save_pretrained("mine")
    back = HubTicket.from_pretrained("mine").eval()
    for got, wanted in zip(back(torch.ones(1, 3, 64, 64)), module(torch.ones(1, 3, 64, 64)), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=0)
    assert {name for name, mask in masks_of(back).items() if not mask.all()}


def test_the_house_imports_none_of_them():
    code = "import sys, bench, tasks, tickets, tickets.ticket, tickets.ecosystem; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert not roots & {"timm", "mmengine", "mmseg", "lightning", "huggingface_hub", "torchvision"}


def test_without_lightning_the_callback_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    monkeypatch.delitem(sys.modules, "tickets.ecosystem.lightning", raising=False)
    with warnings.catch_warnings(), pytest.raises(UserError, match=r"pip install 'ticketbench\[lightning\]'"):
        import tickets.ecosystem.lightning  # noqa: F401
