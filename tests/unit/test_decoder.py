"""The host that takes latents: its maps, what others ask of it, exports, and networks round it."""

import pytest
import torch
from toy import ToySource

from bench.speed.request import Request, _check_host
from tickets.cost import dense_macs, layer_costs
from tickets.deploy.compact import compact
from tickets.deploy.export import fed, inference_session, to_onnx
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request as Draw
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.hosts.base import check_size, given_to
from tickets.hosts.decoder import TINY, DecoderSpec
from tickets.recipes.base import full_macs
from tickets.source import head_of
from tickets.ticket import Ticket
from tickets.training.masking import Reparam
from tickets.training.network import Ends, Network
from tickets.training.settings import Settings

SPEC = DecoderSpec(latent=3, widths=(6, 5, 4))


def test_a_place_of_the_latent_becomes_four_by_four_pixels_and_each_width_doubles_them():
    host = SPEC.initial(0).eval()
    assert host.latent == (3, 16) and host.features == [(4, 1), (5, 2), (6, 4)]
    assert [tuple(one.shape) for one in host(torch.randn(2, 3, 1, 2))] == [
        (2, 4, 16, 32),
        (2, 5, 8, 16),
        (2, 6, 4, 8),
    ]
    assert HOSTS.make("decoder/tiny") == TINY and TINY.build().latent == (64, 32)
    assert TINY.build().features[0][1] == 1


def test_the_first_layer_is_a_deconvolution_of_kernel_and_stride_four():
    host, latent = SPEC.initial(0), torch.randn(2, 3, 2, 2)
    made = torch.pixel_shuffle(host.first(latent), 4)
    weight = host.first.weight.view(6, 4, 4, 3).permute(3, 0, 1, 2)
    torch.testing.assert_close(made, torch.conv_transpose2d(latent, weight, stride=4))


@pytest.mark.parametrize("wrong", [{"latent": 0}, {"widths": ()}, {"widths": (4, 0)}])
def test_numbers_that_make_no_decoder_are_refused(wrong):
    with pytest.raises(UserError, match="make no decoder"):
        DecoderSpec(**wrong)


def test_what_it_is_given_for_an_image_follows_from_its_stride():
    host = TINY.build()
    assert given_to(host, (64, 96)) == (64, 2, 3) and given_to(torch.nn.Linear(1, 1), (5, 7)) == (3, 5, 7)
    with pytest.raises(UserError, match=r"decoder/tiny cannot make 48x64 images .*multiples of 32"):
        check_size(TINY, "decoder/tiny", (48, 64))


def test_its_costs_are_those_of_one_image():
    by_hand = 3 * 96 + 6 * 5 * 9 * 8**2 + 5 * 4 * 9 * 16**2
    assert dense_macs(layer_costs(SPEC.build(), (16, 16))) == by_hand
    assert dense_macs(layer_costs(SPEC.build(), (16, 32))) == 2 * by_hand
    assert Ticket.dense(SPEC).costs((16, 16))["macs"] == by_hand
    source = ToySource()
    assert full_macs(SPEC, source) == by_hand + 3 * 3 * 16**2 + 2 * sum(SPEC.widths)


@pytest.mark.parametrize("semantics", ["projection", "reparam"])
def test_a_task_of_two_ends_is_drawn_on_it_as_on_any_host(semantics):
    ticket = DRAWERS.make(f"gmp@semantics={semantics}").draw(
        Draw(SPEC, ToySource(), Settings(6, 0.01, calibration_batches=1), 0.5, 0)
    )
    assert ticket.prunable - ticket.kept == round(0.5 * ticket.prunable)
    assert 0 <= ToySource().score(ticket.network(ToySource()), "val")["top1"] <= 1


def test_masks_hold_in_the_host_and_at_both_ends():
    torch.manual_seed(0)
    host = SPEC.build()
    head = head_of(ToySource(), host)
    assert isinstance(head, Ends)
    names = ("host.first.weight", "head.entrance.conv.weight", "head.exit.predict.weight")
    network, image = Network(host, head, masking=Reparam()).eval(), torch.randn(2, 3, 16, 16)
    whole = network(image)
    for name in names:
        network.masks = {name: torch.zeros_like(network.get_parameter(name), dtype=torch.bool)}
        masked = network(image)
        assert not torch.equal(masked, whole)
        weight = network.get_parameter(name)
        kept = weight.detach().clone()
        with torch.no_grad():
            weight.zero_()
            network.masks = {}
            torch.testing.assert_close(network(image), masked)
            weight.copy_(kept)


# ---- deployment


def test_it_is_exported_with_a_latent_as_its_input(tmp_path):
    host = compact(SPEC.initial(0).eval())
    latent = torch.randn(3, 3, 1, 1)
    to_onnx(host, (16, 16), tmp_path / "host.onnx")
    session = inference_session(tmp_path / "host.onnx")
    assert session.get_inputs()[0].name == "latent"
    finest, *_ = session.run(None, fed(session, latent))
    torch.testing.assert_close(torch.from_numpy(finest), host(latent)[0], rtol=1e-4, atol=1e-4)


def test_its_speed_is_not_measured_and_that_is_said():
    with pytest.raises(UserError, match="takes latents, and networks of images are measured"):
        _check_host(SPEC, Request.__new__(Request))
