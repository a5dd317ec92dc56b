"""The supernet against the released networks' counts and against its plain formulation."""

import pytest
import torch
from torch import nn
from toy import SPEC, ToySource, toy_network

from tasks import TASKS
from tasks.heads.paper import PaperClassifier, PaperDense, make_head
from tickets.cost import dense_macs, layer_costs
from tickets.errors import UserError
from tickets.hosts.blocks import KERNELS, Norm, SearchBlock
from tickets.hosts.supernet import PRESETS, Supernet, preset
from tickets.pruning.masks import keep_top, ones
from tickets.reference import plain
from tickets.search.searchable import live_units
from tickets.seeding import generator
from tickets.training.masking import Projection, Reparam
from tickets.training.network import Network


@pytest.mark.parametrize(
    ("classes", "width", "size", "parameters", "macs", "units", "blocks"),
    [
        pytest.param(1000, None, (224, 224), 13_243_868, 2_422_799_760, 47_952, 67, id="imagenet"),
        pytest.param(19, 90, (512, 1024), 10_110_235, 61_836_632_064, 44_928, 61, id="cityscapes"),
        pytest.param(150, 180, (512, 512), 10_427_706, 36_114_665_472, 44_928, 61, id="ade20k"),
        pytest.param(17, 90, (384, 288), 10_110_053, 13_042_420_416, 44_928, 61, id="coco"),
    ],
)
def test_paper_preset_counts(classes, width, size, parameters, macs, units, blocks):
    """The released networks without their unused distillation batch norms."""
    with torch.device("meta"):
        host = Supernet(preset("paper"))
        head = PaperDense(host.features, classes, width) if width else PaperClassifier(host.features, classes)
        network = Network(host, head)
    live = live_units(network)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert dense_macs(layer_costs(network, size)) == macs
    assert (sum(sum(u.values()) for u in live.values()), len(live)) == (units, blocks)


def test_released_pose_has_norms_and_first_weights_of_its_own():
    """Momentum 0.1, eps 1e-5 and N(0, 1e-3), head and host; elsewhere 0.01, 1e-3 and 2 / fan-out."""
    torch.manual_seed(0)
    for kind, norm, std in (("pose", (0.1, 1e-5), 1e-3), ("seg", (0.01, 1e-3), (2 / 90) ** 0.5)):
        host = Supernet(preset("paper_pose" if kind == "pose" else "paper"))
        head = make_head(TASKS.make(f"{kind}/figures"), "paper", host.features)
        network = Network(host, head)
        norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert {(m.momentum, m.eps) for m in norms} == {norm}
        assert head.transform.project.weight.std().item() == pytest.approx(std, rel=0.05)
        if kind == "pose":
            convs = [m.weight.flatten() for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
            assert torch.cat(convs).std().item() == pytest.approx(1e-3, rel=0.01)
            assert not head.predict.bias.any()


@pytest.mark.parametrize("name", PRESETS)
def test_feature_maps_have_the_declared_widths_and_strides(name):
    with torch.device("meta"):
        host = Supernet(preset(name))
        maps = host(torch.empty(1, 3, 96, 64))
    assert [(m.shape[1], 96 // m.shape[2], 64 // m.shape[3]) for m in maps] == [
        (width, stride, stride) for width, stride in host.features
    ]


def test_odd_sizes_pass():
    """Maps of odd size are upsampled to their neighbour's exact size."""
    maps = Supernet(SPEC)(torch.randn(2, 3, 20, 28))
    assert [tuple(m.shape[-2:]) for m in maps] == [(5, 7), (3, 4)]


@pytest.mark.parametrize("masked", [False, True], ids=["dense", "masked"])
def test_fused_block_equals_separate_branches(masked):
    """Outputs, input gradients and weight gradients of the fused form agree with the plain one."""
    network = toy_network(Reparam())
    host = network.host
    weights = network.prunable()["host"]
    if masked:
        network.masks = keep_top({n: w.detach().abs() for n, w in weights.items()}, 0.6)
    twin = plain(network)
    x = torch.randn(4, 3, 16, 16)
    xs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [network(xs[0]), twin(xs[1])]
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(xs[0].grad, xs[1].grad, rtol=1e-5, atol=1e-5)
    block, branches = host.fuses[0].paths["0to0"], twin.host.fuses[0].paths["0to0"].branches
    for name, dim in (("expand.weight", 0), ("project.weight", 1), ("depthwise_bn.weight", 0)):
        separate = torch.cat([branch.get_parameter(name).grad for branch in branches], dim)
        torch.testing.assert_close(block.get_parameter(name).grad, separate, rtol=1e-4, atol=1e-5)
    for kernel, branch in zip(KERNELS, branches, strict=True):
        torch.testing.assert_close(
            block.depthwise[str(kernel)].weight.grad, branch.depthwise.weight.grad, rtol=1e-4, atol=1e-5
        )


def test_a_block_without_units_is_its_skip_and_a_constant():
    block = SearchBlock(4, 6, 2, {}, Norm())
    with torch.no_grad():
        block.shift.copy_(torch.arange(6.0))
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(block(x), block.skip(x) + torch.arange(6.0)[None, :, None, None])
    assert isinstance(block.skip, nn.Conv2d) and block.skip.groups == 2


def test_initial_spread_is_that_of_separate_branches():
    """The fused expansion must not start with a third of the separate form's variance."""
    torch.manual_seed(0)
    block = SearchBlock(32, 32, 1, dict.fromkeys(KERNELS, 128), Norm())
    assert block.expand.weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.03)
    assert block.depthwise["5"].weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.05)


def test_unknown_preset_is_named():
    with pytest.raises(UserError, match=r"unknown preset 'tinny'\. Did you mean 'tiny'\?"):
        preset("tinny")


def test_reparam_and_projection_differ_as_declared():
    """Same masks, same forward; only under REPARAM does a masked weight get no gradient and keep its value."""
    torch.manual_seed(0)
    host = Supernet(SPEC)
    head = ToySource().head(host.features)
    g = generator(0, "test")
    weights = Network(host, head).prunable()["host"]
    masks = keep_top({n: torch.rand(w.shape, generator=g) for n, w in weights.items()}, 0.5)
    name = "host.stem.0.weight"
    x = torch.randn(2, 3, 16, 16)
    gradients = {}
    for masking in (Reparam, Projection):
        network = Network(host, head, masks, masking())
        host.zero_grad()
        before = network.get_parameter(name).detach().clone()
        network(x).square().sum().backward()
        gradients[masking] = network.get_parameter(name).grad[~masks[name]]
        assert torch.equal(network.get_parameter(name), before)
    assert (gradients[Reparam] == 0).all()
    assert (gradients[Projection] != 0).any()


def test_only_a_head_with_search_blocks_is_pruned_and_never_its_prediction():
    host = Supernet(SPEC)
    light = Network(host, ToySource().head(host.features))
    heavy = Network(host, PaperDense(host.features, 5))
    assert list(light.prunable()) == ["host"]
    assert "head.transform.expand.weight" in heavy.prunable()["head"]
    assert not any(name.startswith("head.predict") for name in heavy.prunable()["head"])
    assert ones(heavy.prunable()["head"]).keys() == heavy.prunable()["head"].keys()
