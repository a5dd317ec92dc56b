"""Hosts that are not ours: timm backbones through drawing, file, transfer and scorers; and what is refused."""

from dataclasses import replace

import pytest
import timm
import torch
from toy import DRAWERS as NAMES
from toy import SPEC, ToySource, drawn

from tickets.cost import dense_macs, layer_costs
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.hosts import HOSTS, spec_from_json
from tickets.hosts.base import check_size
from tickets.hosts.timm import TimmSpec
from tickets.recipes.base import transfers
from tickets.recipes.finetune import Finetune
from tickets.ticket_set import load, members_of
from tickets.training.settings import Settings

SETTINGS = Settings(steps=2, learning_rate=0.01, calibration_batches=1)
SOURCE = ToySource(size=(64, 64), batch_size=4)
BOUND = [DRAWERS.traits(name).searches or DRAWERS.traits(name).lowers_timesteps for name in NAMES]
UNBOUND = [name for name, is_bound in zip(NAMES, BOUND, strict=True) if not is_bound]
"""Drawers that can draw from any host."""


@pytest.mark.parametrize("model", ["resnet18", "hrnet_w18_small", "convnext_atto", "swinv2_cr_tiny_224"])
def test_features_are_what_the_host_says(model):
    """Widths and strides; maps come channels first also from models that give them last."""
    host = HOSTS.make(f"timm/{model}").build().eval()
    size = (224, 224) if "224" in model else (64, 64)
    with torch.no_grad():
        maps = host(torch.randn(1, 3, *size))
    assert [tuple(m.shape[1:]) for m in maps] == [(w, size[0] // s, size[1] // s) for w, s in host.features]


@pytest.mark.parametrize("name", ["supernet/tiny", "timm/resnet18"])
def test_specs_survive_json(name):
    spec = HOSTS.make(name)
    assert spec_from_json(spec.to_json()) == spec
    with pytest.raises(UserError, match="unknown kind of host 'mlp'"):
        spec_from_json({"kind": "mlp"})


@pytest.mark.parametrize("name", UNBOUND)
def test_every_drawer_that_does_not_search_draws_from_a_timm_host(name, tmp_path):
    """Test_convnext, a convnext of four narrow blocks, has no batch norm, and linear layers on maps."""
    drawer, spec = DRAWERS.make(name), TimmSpec("test_convnext")
    ticket = drawn(drawer, Request(spec, SOURCE, SETTINGS, 0.9, 0))
    ticket.save(tmp_path / "t")
    back = load(tmp_path / "t")
    assert back.hash == ticket.hash and back.spec == spec
    target = ToySource(size=(64, 64), batch_size=4, name="toy/other")
    for member, training in zip(members_of(back), transfers(back, Finetune(), target, SETTINGS, 0), strict=True):
        assert member.prunable - member.kept == round(drawer.target(0.9) * member.prunable)
        training.run()
        for weight, mask in member.host.masks.items():
            assert (training.network.host.get_parameter(weight)[~mask] == 0).all()


def test_macs_of_linear_layers_on_maps_count_every_position():
    """ResNet-18 at 224 without its classifier: 1.814 G, as published; a linear layer on a map counts H x W times."""
    body = timm.create_model("resnet18", num_classes=0)
    assert dense_macs(layer_costs(body, (224, 224))) == 1_813_561_344
    atto = timm.create_model("convnext_atto", num_classes=0)
    assert dense_macs(layer_costs(atto, (224, 224))) == pytest.approx(0.55e9, rel=0.01)


class NoMaps(torch.nn.Module):
    """A model without feature maps."""


def test_what_cannot_be_a_host_is_refused_in_one_sentence(monkeypatch):
    with pytest.raises(UserError, match=r"unknown timm model 'resnet81'\. Did you mean 'resnet\d+.*'\? timm\.list"):
        HOSTS.make("timm/resnet81")
    with pytest.raises(UserError, match=r"unknown host 'keras/x'.*Known: supernet/tiny"):
        HOSTS.make("keras/x")
    with pytest.raises(UserError, match=r"the host timm/vit_tiny_patch16_224 cannot take 64x64 images \(Input height"):
        check_size(HOSTS.make("timm/vit_tiny_patch16_224"), "timm/vit_tiny_patch16_224", (64, 64))

    def refuse(*args, **kwargs):
        raise RuntimeError("features_only not implemented for this model")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(UserError, match=r"the timm model 'resnet18' gives no feature maps \(features_only not"):
        HOSTS.make("timm/resnet18")


def test_a_ticket_is_refused_by_a_host_of_another_shape_and_taken_by_its_own():
    ticket = DRAWERS.make("gmp").draw(Request(SPEC, ToySource(), SETTINGS, 0.5, 0))
    with pytest.raises(UserError, match=r"'fuses.*skip\.weight' is absent in the ticket and \[4, 3, 1, 1\] in"):
        ticket.apply(replace(SPEC, stem=12).build())
    own, x = ticket.apply(SPEC.build()), torch.randn(1, 3, 16, 16)
    assert all(torch.equal(a, b) for a, b in zip(own(x), ticket.build()(x), strict=True))
