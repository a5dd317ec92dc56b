"""Channels that are constant or unread leave any network that can be traced, and no output changes by that."""

import copy
import pickle
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tickets.cost import dense_macs, layer_costs
from tickets.deploy.carried import Restore
from tickets.deploy.compact import Removed, compact, removed
from tickets.deploy.cutting import Bordered, CompactTraced
from tickets.deploy.export import to_onnx
from tickets.hosts.timm import TimmHost

SIZES = [(32, 32), (37, 51)]


class Host(nn.Module):
    """A host of one feature map of stride 1; `maps` is what it computes."""

    features: ClassVar = [(0, 1)]

    def forward(self, image):
        return [self.maps(image)]


class Chain(Host):
    """Two convolutions of 3x3 with a ReLU between them: 3 -> 8 -> 32 channels."""

    def __init__(self, padding=1):
        super().__init__()
        self.first, self.act = nn.Conv2d(3, 8, 3, padding=padding), nn.ReLU(inplace=True)
        self.second = nn.Conv2d(8, 32, 3, padding=padding)

    def maps(self, image):
        return self.second(self.act(self.first(image)))


class Residual(Host):
    """A sum of a map of 40 channels and of what a branch of two convolutions makes of it."""

    def __init__(self):
        super().__init__()
        self.stem, self.inner, self.outer = nn.Conv2d(3, 40, 1), nn.Conv2d(40, 20, 3, padding=1), nn.Conv2d(20, 40, 1)
        self.act, self.head = nn.ReLU(), nn.Conv2d(40, 20, 3, padding=1)

    def maps(self, image):
        x = self.stem(image)
        return self.head(self.act(x + self.outer(self.act(self.inner(x)))))


class Inverted(Host):
    """A depthwise convolution, padded, between two others, and a gate over its channels."""

    def __init__(self):
        super().__init__()
        self.expand, self.depthwise = nn.Conv2d(3, 40, 1), nn.Conv2d(40, 40, 3, 2, 1, groups=40)
        self.norms = nn.ModuleList(nn.BatchNorm2d(40) for _ in range(2))
        self.squeeze, self.excite, self.project = nn.Conv2d(40, 10, 1), nn.Conv2d(10, 40, 1), nn.Conv2d(40, 20, 1)

    def maps(self, image):
        x = F.relu6(self.norms[0](self.expand(image)))
        x = F.silu(self.norms[1](self.depthwise(x)))
        gate = self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))).sigmoid()
        return self.project(x * gate)


class Dense(Host):
    """Maps one after the other, batch norms as functions before convolutions, a value stored for each channel."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (
            nn.Conv2d(3, 20, 3),
            nn.Conv2d(20, 12, 3, 1, 1),
            nn.Conv2d(32, 40, 3, 1, 1),
        )
        self.norm, self.pools = nn.BatchNorm2d(20), nn.ModuleList([nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2)])
        self.scale, self.twice = nn.Parameter(torch.randn(40, 1, 1)), nn.Conv2d(40, 40, 1)

    def maps(self, image):
        x, norm = self.pools[0](self.first(image)), self.norm
        y = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training)
        x = self.third(torch.cat([x, self.second(F.gelu(y))], dim=1))
        return self.pools[1](self.twice(F.relu(self.twice(x) * self.scale)))


class Opaque(Host):
    """Grouped convolutions and pooling that counts its padding, for which there are no rules."""

    def __init__(self):
        super().__init__()
        self.first, self.grouped, self.last = nn.Conv2d(3, 20, 3), nn.Conv2d(20, 40, 3, groups=4), nn.Conv2d(40, 40, 3)
        self.norm, self.pool = nn.BatchNorm2d(40), nn.AvgPool2d(3, 1, 1)
        self.tail, self.head = nn.Conv2d(40, 20, 1), nn.Conv2d(20, 8, 3, padding="same")

    def maps(self, image):
        x = F.leaky_relu(self.norm(self.grouped(self.pool(self.first(image)))), 0.1)
        return self.head(self.tail(self.pool(self.last(x)).flip(1)))


NETWORKS = {one.__name__.lower(): one for one in (Chain, Residual, Inverted, Dense, Opaque)}


@torch.no_grad()
def scrambled(host, share, seed=0):
    """A host in eval mode, its norms far from their first state, that share of all convolutions' kernels zero."""
    torch.manual_seed(seed)
    for module in host.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            module.weight[torch.rand(len(module.weight)) < share] = 0
            if module.bias is not None:
                module.bias.normal_()
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.normal_()
            module.bias.normal_()
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return host.eval()


@torch.no_grad()
def assert_same(host, sizes=SIZES):
    """The compacted host, whose outputs are the host's in float32 and, far more exactly, in double."""
    double = copy.deepcopy(host).double()
    compacted = compact(host)
    assert isinstance(compacted, CompactTraced)
    for before, after, tolerance in ((host, compacted, 1e-5), (double, compact(double), 1e-12)):
        for size in sizes:
            images = torch.randn(2, 3, *size).to(next(before.parameters()))
            for wanted, got in zip(before(images), after(images), strict=True):
                torch.testing.assert_close(got, wanted, rtol=0, atol=tolerance * float(wanted.abs().max()))
    return compacted


@torch.no_grad()
def kill(conv, *channels, value=0.0):
    """Let outputs of a convolution be this value everywhere."""
    conv.weight[list(channels)] = 0
    conv.bias[list(channels)] = value


@torch.no_grad()
def unread(conv, *channels):
    """Let a convolution not read some of its inputs."""
    conv.weight[:, list(channels)] = 0


def macs(network):
    """Of an image of 8x8."""
    return dense_macs(layer_costs(network, (8, 8)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_output_changes(name, share, seed):
    torch.manual_seed(seed)
    host = scrambled(NETWORKS[name](), share, seed)
    compacted = assert_same(host)
    assert macs(compacted) <= macs(host)
    assert (removed(host, compacted).channels > 0) == (share > 0)


@pytest.mark.parametrize("model", ["resnet18", "resnet26", "mobilenetv2_050", "seresnet18", "densenet121"])
def test_no_output_of_a_real_backbone_changes(model):
    host = scrambled(TimmHost(model), 0.5)
    compacted = assert_same(host, [(64, 64), (75, 53)])
    assert compacted.features == host.features
    assert dense_macs(layer_costs(compacted, (64, 64))) < 0.65 * dense_macs(layer_costs(host, (64, 64)))


def test_a_backbone_of_which_nothing_lives_is_constant():
    host = scrambled(TimmHost("resnet18"), 1.0)
    compacted = assert_same(host, [(64, 64), (75, 53)])
    assert all(len(module.constants) for module in compacted.modules() if isinstance(module, Restore))


def test_dead_channels_cost_nothing_and_constants_under_padding_one_channel_of_ones():
    host = scrambled(Chain(), 0.0)
    kill(host.first, 1, 4, 6, value=-1.0)  # zero after the ReLU
    compacted = assert_same(host)
    assert macs(host) == 64 * (3 * 8 * 9 + 8 * 32 * 9)
    assert macs(compacted) == 64 * (3 * 5 * 9 + 5 * 32 * 9)
    assert removed(host, compacted) == Removed(units=0, channels=3, blocks=0)
    kill(host.first, 4, 6, value=2.0)
    compacted = assert_same(host)
    assert macs(compacted) == 64 * (3 * 5 * 9 + (5 + 1) * 32 * 9)
    assert removed(host, compacted) == Removed(units=0, channels=3, blocks=0)  # the ones are none of the host's


def test_a_border_is_where_the_host_has_it():
    """Nothing is left but a constant 2 under a padded kernel of ones: 4, 6 or 9 places of it are in the image."""
    host = scrambled(Chain(), 0.0)
    kill(host.first, *range(8), value=2.0)
    with torch.no_grad():
        host.second.weight.zero_()
        host.second.weight[0, 3] = 1.0
        host.second.bias.zero_()
    (got,) = assert_same(host)(torch.randn(1, 3, 3, 4))
    assert got[0, 0].tolist() == [[8, 12, 12, 8], [12, 18, 18, 12], [8, 12, 12, 8]] and not got[0, 1:].any()


def test_without_padding_constants_become_biases():
    host = scrambled(Chain(padding=0), 0.0)
    kill(host.first, 4, 6, value=2.0)
    compacted = assert_same(host)
    assert not [module for module in compacted.modules() if isinstance(module, Bordered)]
    lacking = host.second.bias + 2.0 * host.second.weight[:, [4, 6]].sum((1, 2, 3))
    torch.testing.assert_close(compacted.body.second.bias, lacking)


def test_channels_that_nobody_reads_are_cut_back_to_the_image():
    host = scrambled(Residual(), 0.0)
    unread(host.head, *range(40))
    host.head.weight.data[:, :7] = 1.0
    unread(host.outer, *range(4))
    compacted = assert_same(host)
    assert compacted.body.inner.out_channels == 16  # which read all of the stem
    assert compacted.body.stem.out_channels == compacted.body.outer.out_channels == 40
    unread(host.inner, *range(5, 40))
    compacted = assert_same(host)
    assert compacted.body.stem.out_channels == compacted.body.outer.out_channels == 7


def test_channels_that_are_added_stay_where_either_lives():
    host = scrambled(Residual(), 0.0)
    kill(host.stem, *range(20), value=1.0)
    kill(host.outer, *range(15, 30), value=-3.0)
    compacted = assert_same(host)
    assert compacted.body.stem.out_channels == compacted.body.outer.out_channels == 40 - 5
    assert removed(host, compacted) == Removed(units=0, channels=2 * 5, blocks=0)


def test_a_dead_branch_goes_and_its_constant_is_added():
    host = scrambled(Residual(), 0.0)
    kill(host.outer, *range(40), value=0.5)
    compacted = assert_same(host)
    assert macs(compacted) == 64 * (3 * 40 + 40 * 20 * 9)
    assert removed(host, compacted) == Removed(units=0, channels=20 + 40, blocks=0)


def test_a_depthwise_channel_goes_with_its_input_unless_padding_gives_it_a_border():
    for padding, cut in ((1, 6), (0, 10)):
        depthwise = nn.Conv2d(40, 40, 3, padding=padding, groups=40)
        host = scrambled(nn.Sequential(nn.Conv2d(3, 40, 1), nn.ReLU(), depthwise, nn.Conv2d(40, 8, 1)), 0.0)
        kill(host[0], *range(6), value=-1.0)
        kill(host[0], *range(6, 10), value=1.0)
        kill(host[2], 8, value=0.5)
        cut += padding  # its own kernel is zero
        compacted, images = compact(host), torch.randn(1, 3, 9, 9)
        torch.testing.assert_close(compacted(images), host(images), rtol=0, atol=1e-5)
        assert removed(host, compacted) == Removed(units=0, channels=2 * cut, blocks=0)


@pytest.mark.parametrize(("live", "restored"), [(17, False), (16, True)])
def test_a_feature_map_is_cut_where_that_saves_a_block_of_channels(live, restored):
    host = scrambled(Chain(), 0.0)
    kill(host.second, *range(live, 32), value=3.0)
    compacted = assert_same(host)
    assert compacted.body.second.out_channels == (16 if restored else 32)
    assert [type(module) for module in compacted.modules()].count(Restore) == restored


class Branching(Host):
    """What it does depends on the image."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3)

    def maps(self, image):
        return self.conv(image) if image.sum() > 0 else image


class Overwriting(Host):
    """A map is read after a ReLU wrote over it, and after it was added to, which a trace does not know of."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 32, 3), nn.ReLU(inplace=True)

    def forward(self, image):
        x = self.conv(image)
        return [x, self.act(x)]


class Adding(Overwriting):
    def forward(self, image):
        x = y = self.conv(image)
        x += self.act(self.conv(image))
        return [x, y]


class Particular(Chain):
    """Takes images of one size."""

    def maps(self, image):
        torch._assert(image.shape[-1] == 40, "not so")
        return super().maps(image).view(-1, 32, 1600)


@pytest.mark.parametrize("kind", [Branching, Overwriting, Adding, Particular])
def test_what_cannot_be_traced_or_is_traced_wrongly_comes_back_whole(kind):
    host = scrambled(kind(), 0.9)
    compacted = compact(host)
    assert type(compacted) is kind and compacted is not host
    states = host.state_dict(), compacted.state_dict()
    assert all(torch.equal(a, b) and a is not b for a, b in zip(*(state.values() for state in states), strict=True))
    assert removed(host, compacted) == Removed(0, 0, 0)


def test_a_layer_that_is_run_twice_or_hooked_into_is_left_alone():
    host = scrambled(Dense(), 0.0)
    kill(host.twice, *range(30))
    assert assert_same(host).body.twice.out_channels == 40
    host = scrambled(Chain(), 0.0)
    kill(host.first, 1, 4, 6)
    host.first.register_forward_hook(lambda module, given, out: out + 1)
    compacted = assert_same(host)
    assert compacted.body.first.out_channels == 8 and compacted.body.second.in_channels == 8


def test_any_module_may_be_compacted_not_hosts_alone():
    network = nn.Sequential(nn.Conv2d(3, 40, 3), nn.BatchNorm2d(40), nn.ReLU(), nn.Dropout(), nn.Conv2d(40, 20, 3))
    scrambled(network, 0.5)
    compacted, images = compact(network), torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(compacted(images), network(images), rtol=0, atol=1e-5)
    left = [int(network[place].weight.flatten(1).any(1).sum()) for place in (0, 4)]
    assert [layer.out_channels for layer in compacted.modules() if isinstance(layer, nn.Conv2d)] == left


def test_the_host_is_left_alone_and_the_result_can_be_copied_and_stored():
    host = scrambled(Residual(), 0.5)
    before = copy.deepcopy(host.state_dict())
    compacted = compact(host)
    assert all(torch.equal(tensor, before[name]) for name, tensor in host.state_dict().items())
    images = torch.randn(1, 3, 9, 9)
    for twin in (copy.deepcopy(compacted), pickle.loads(pickle.dumps(compacted))):
        assert torch.equal(twin(images)[0], compacted(images)[0])
    assert compacted.features == host.features and not any(module.training for module in compacted.modules())
    assert compact(copy.deepcopy(host).bfloat16())(images.bfloat16())[0].dtype == torch.bfloat16


def test_a_backbones_onnx_file_computes_the_same(tmp_path):
    host = scrambled(TimmHost("resnet10t"), 0.5)
    assert any(isinstance(module, Bordered) for module in compact(host).modules())
    to_onnx(compact(host), (64, 64), tmp_path / "small.onnx")  # which runs it, with another batch, before it stays
    assert (tmp_path / "small.onnx").stat().st_size < 0.6 * 4 * sum(w.numel() for w in host.parameters())
