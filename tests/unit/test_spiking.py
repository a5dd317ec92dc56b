"""Spiking hosts: the neuron by hand and beside another library, what runs how often, twins, rates, what is refused."""

import copy
from dataclasses import replace

import pytest
import torch
from asked import config
from samples import record
from torch import nn
from toy import TIMED, ToyHead, ToySource

from bench.audit import plausible
from bench.jobs.display import Display
from bench.request.plan import jobs
from bench.views import record as show_record
from bench.views import ticket as show_ticket
from tickets.cost import LayerCost, dense_macs, layer_costs, synops
from tickets.deploy.compact import compact
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.hosts import HOSTS, spec_from_json
from tickets.hosts.lif import lif
from tickets.hosts.rates import rates
from tickets.hosts.spiking import RESNET19, VGG16
from tickets.recipes.base import transfer
from tickets.recipes.rewind import Rewind
from tickets.scorers import SCORERS
from tickets.training.network import Network
from tickets.training.settings import Settings
from tickets.transforms.respike import Respike

STEM, REST = 216 * 64, 576 * 64 + 576 * 16
"""MACs of TIMED for a 16x16 image: the first convolution, and the two behind it once."""
REQUEST = Request(TIMED, ToySource(), Settings(6, 0.02, calibration_batches=1), 0.5, 0)


def spikes(current, steps=6):
    """Of one neuron that is told one current at every step."""
    return lif(torch.full((steps, 1), current)).flatten().tolist()


# ---- the neuron


@pytest.mark.parametrize(
    ("current", "fires"),
    [
        (0.9, [0, 0, 0, 0, 0, 0]),  # v = .675, .84375, .8859375, ... < .9
        (1.2, [0, 1, 0, 1, 0, 1]),
        (1.05, [0, 0, 1, 0, 0, 1]),
        (4 / 3, [1, 1, 1, 1, 1, 1]),  # v is 1: equality fires
        (2.0, [1, 1, 1, 1, 1, 1]),
    ],
)
def test_a_neuron_that_is_told_one_current_fires_by_hand(current, fires):
    assert spikes(current) == fires


def test_gradients_are_those_of_the_arc_tangent_and_none_goes_through_the_reset():
    for current, wanted in ((1.2, 0.8122420647), (2.0, 0.75 / 3.4674011)):
        x = torch.tensor([current], dtype=torch.float64, requires_grad=True)
        lif(x.expand(2, 1))[1].sum().backward()
        assert float(x.grad) == pytest.approx(wanted, abs=1e-7)


def test_gradients_over_many_steps_are_those_of_a_graph_step_by_step():
    """The slope's own gradient, too, as scorers of curvature ask for."""

    def stepwise(current, tau=4 / 3):
        v, found = torch.zeros_like(current[0]), []
        for x in current:
            v = v + (x - v) / tau
            fired = (v >= 1).double()
            straight = torch.atan(torch.pi * (v - 1)) / torch.pi  # whose slope is 1 / (1 + (pi (v - 1))^2)
            found.append(straight + (fired - straight).detach())
            v = v * (1 - fired)
        return torch.stack(found)

    x = torch.randn(5, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).mul_(2).requires_grad_()
    weight = torch.randn(5, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = []
    for neuron in (lif, stepwise):
        out = neuron(x)
        (slope,) = torch.autograd.grad((out * weight).sum(), x, create_graph=True)
        (curve,) = torch.autograd.grad((slope**2).sum(), x)
        found.append((out.detach(), slope.detach(), curve))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert found[0][0].any() and found[0][1].abs().min() > 0


def test_spikes_are_those_of_another_library():
    """Which scales the current itself; its reset has another gradient, so that spikes alone are compared."""
    snntorch = pytest.importorskip("snntorch")
    neuron = snntorch.Leaky(beta=0.25, threshold=1.0, reset_mechanism="zero", reset_delay=False)
    x = torch.randn(12, 200, generator=torch.Generator().manual_seed(0)) * 1.5
    membrane, theirs = neuron.init_leaky(), []
    for step in x:
        spike, membrane = neuron(0.75 * step, membrane)
        theirs.append(spike)
    assert torch.equal(lif(x), torch.stack(theirs)) and 0.1 < float(lif(x).mean()) < 0.4


# ---- the host


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_the_first_convolution_runs_once_and_all_others_at_every_time_step(steps):
    layers = layer_costs(replace(TIMED, timesteps=steps).build(), (16, 16))
    assert [one.macs for one in layers] == [STEM, steps * 576 * 64, steps * 576 * 16]
    twin = layer_costs(replace(TIMED, timesteps=steps, neuron="relu").build(), (16, 16))
    assert dense_macs(twin) == STEM + REST


def test_a_map_is_a_rate_and_a_linear_head_on_it_says_the_mean_of_what_it_says_at_each_step():
    host = TIMED.initial(0).train()
    seen = []
    host.rate = lambda found: seen.append(found) or type(host).rate(host, found)
    maps, head = host(torch.randn(3, 3, 16, 16) + 1), ToyHead(host.features)
    assert all((4 * one).frac().abs().max() == 0 and one.min() >= 0 and one.max() <= 1 for one in maps)
    each = [head([one.chunk(4)[step] for one in seen]) for step in range(4)]
    torch.testing.assert_close(head(maps), torch.stack(each).mean(0), atol=1e-6, rtol=0)


def test_nothing_is_left_of_a_call_and_images_do_not_feel_each_other():
    host, images = TIMED.initial(0).eval(), torch.randn(4, 3, 16, 16)
    first, again, alone = host(images), host(images), host(images[:1])
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(torch.allclose(a[:1], b) for a, b in zip(first, alone, strict=True)) and first[0].any()


def test_fewer_time_steps_are_the_first_ones():
    """In eval mode what is said after t steps does not depend on those that follow."""
    host, images = TIMED.initial(0).eval(), torch.randn(4, 3, 16, 16) + 1
    whole = []
    host.rate = lambda found: whole.append(found) or found
    host(images)
    del host.rate
    host.timesteps = 2
    for short, long in zip(host(images), whole, strict=True):
        torch.testing.assert_close(short, torch.stack(long.chunk(4)[:2]).mean(0))


def test_batch_norms_see_all_steps_as_one_batch_or_each_by_itself():
    """As released (SN-15): as many statistics, and updates of the running ones, as there are steps."""
    images = torch.randn(4, 3, 16, 16) + 1
    for bn, updates in (("joint", 1), ("step", 4)):
        host = replace(TIMED, bn=bn).initial(0).train()
        host(images)
        counts = [int(m.num_batches_tracked) for m in host.modules() if isinstance(m, nn.BatchNorm2d)]
        assert counts == [1, updates, updates]
    layer, x = host.stages[0][0].layer, torch.randn(6, 8, 4, 4)
    apart = torch.cat([layer.norm(layer.conv(part)) for part in x.split(2)])
    torch.testing.assert_close(layer(x, 3), apart)
    assert not torch.allclose(layer(x, 3), layer(x))


def test_the_published_networks_have_their_layers():
    """VGG-16: 13 convolutions, 14,710,464 weights; ResNet-19: 17 and 3 shortcuts."""
    for spec, count, strides in ((VGG16, 13, [4, 8, 16]), (RESNET19, 20, [2, 4, 8])):
        with torch.device("meta"):
            host = spec.build()
        layers = layer_costs(host, (32, 32))
        assert len(layers) == count and [stride for _, stride in host.features] == strides
        assert spec_from_json(spec.to_json()) == spec and spec.timesteps == 5
    assert sum(one.weights for one in layer_costs(VGG16.build(), (32, 32))) == 9 * 1_634_496
    assert (HOSTS.make("spiking/tiny").timesteps, HOSTS.make("spiking/tiny_relu").neuron) == (4, "relu")


@pytest.mark.parametrize("name", ["spiking/tiny", "spiking/tiny_relu"])
def test_what_is_compacted_computes_the_same(name):
    host = HOSTS.make(name).initial(0).eval()
    with torch.no_grad():
        host.stages[0][0].layer.conv.weight[:9] = 0
    images = torch.randn(2, 3, 64, 64)
    for whole, small in zip(host(images), compact(host)(images), strict=True):
        torch.testing.assert_close(whole, small, atol=1e-5, rtol=1e-4)


# ---- rates


@pytest.mark.parametrize(("current", "rate"), [(0.9, 0.0), (1.2, 0.5), (2.0, 1.0)])
def test_a_rate_is_the_share_of_spikes_that_a_layer_is_fed(current, rate):
    host = TIMED.initial(0).eval()
    with torch.no_grad():
        host.stem.conv.weight.zero_()
        host.stem.norm.bias.fill_(current)
    with rates(host) as found:
        host(torch.randn(2, 3, 16, 16))
        host(torch.randn(1, 3, 16, 16))
    assert list(found) == ["stages.0.0.layer.conv", "stages.1.0.layer.conv"] and found["stages.0.0.layer.conv"] == rate
    assert not any(module._forward_pre_hooks for module in host.modules())


def test_synaptic_operations_are_macs_of_kept_weights_times_rates_and_the_first_layer_has_none():
    layers = [LayerCost("stem.conv", 10, 1000), LayerCost("a", 8, 4 * 80), LayerCost("b", 4, 4 * 40)]
    masks = {"a.weight": torch.tensor([True] * 2 + [False] * 6)}
    assert synops(layers, masks, {"a": 0.25, "b": 0.5}) == 4 * 20 * 0.25 + 4 * 40 * 0.5


def test_a_spiking_ticket_tells_its_rates_and_is_shown_with_them(capsys):
    ticket = DRAWERS.make("gmp").draw(REQUEST)
    told = ticket.provenance["rates"]
    network = ticket.network(REQUEST.source)
    with rates(network.host) as found:
        REQUEST.source.score(network, "val")
    assert told == dict(found) and all(0 < rate < 1 for rate in told.values())
    show_ticket.show(ticket, None, True, None)
    said = capsys.readouterr().out
    assert "time steps: 4\n" in said and f"{ticket.synops((16, 16), told):,} accumulates" in said
    assert "fed spikes" in said and f"{100 * told['stages.1.0.layer.conv']:.1f}%" in said
    kept = {layer["name"]: layer["kept"] for layer in ticket.layers()}
    by_hand = sum(
        told[f"stages.{n}.0.layer.conv"] * 4 * places * kept[f"stages.{n}.0.layer.conv.weight"]
        for n, places in ((0, 64), (1, 16))
    )
    assert ticket.synops((16, 16), told) == round(by_hand)


def test_a_record_s_time_steps_are_shown(capsys):
    told = {"full": 4, "drawn": 3, "divergences": {"2": 0.5, "3": 0.25}}
    show_record.show(record(target=None, timesteps=4, synops=2_000_000, config={"timesteps": told}))
    said = capsys.readouterr().out
    assert "time steps: 4, drawn at 3; divergence from what is said after 4: 0.5 after 2, 0.25 after 3" in said
    assert "2.00M synops" in said
    show_record.show(record())
    assert "time steps" not in capsys.readouterr().out


def test_a_drawing_says_at_how_many_time_steps_it_went(capsys):
    told = {"full": 4, "drawn": 3, "divergences": {"2": 0.5, "3": 0.25}}
    (job, *_) = jobs(config(host="spiking/tiny", drawer="early_time", target="none"))
    with Display() as display:
        display.finished(job, record(target=None, config={"timesteps": told}))
        display.finished(job, record(target=None))
    first, second = (line for line in capsys.readouterr().err.splitlines() if line.startswith("done"))
    assert ", drawn at 3 of 4 time steps (" in first and "time steps" not in second


def test_more_synaptic_operations_than_macs_are_not_believed():
    sparse = record().ticket.sparse_macs
    wrong = [text for text in plausible.wrong(record(synops=sparse + 1)) if "synops" in text]
    assert wrong == [f"'ticket.synops' is {sparse + 1}, more than the {sparse} of 'ticket.sparse_macs'."]
    assert not [text for text in plausible.wrong(record(synops=sparse)) if "synops" in text]


# ---- twins


def test_a_twin_s_ticket_put_to_spiking_keeps_all_but_the_neuron():
    twin = replace(TIMED, neuron="relu")
    assert list(twin.build().state_dict()) == list(TIMED.build().state_dict())
    ticket = DRAWERS.make("imp").draw(replace(REQUEST, spec=twin))
    made = Respike().onto(ticket, 0, TIMED)
    assert made.spec == TIMED and made.kept == ticket.kept and made.provenance["sparsity"] == 0.5
    for kind in ("masks", "raw", "rewind"):
        ours, theirs = getattr(made.host, kind), getattr(ticket.host, kind)
        assert list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in theirs)
    training = transfer(made, Rewind(), REQUEST.source, REQUEST.settings, 0)
    assert training.network.host.timesteps == 4 and training.forward_cost.dense == STEM + 4 * REST + 32
    training.run()
    assert "rates" not in ticket.provenance


def test_other_tickets_and_hosts_are_refused():
    ticket = DRAWERS.make("gmp").draw(REQUEST)
    with pytest.raises(UserError, match=r"^respike takes tickets drawn on the ReLU twin .*and this one is of the"):
        Respike().onto(ticket, 0, TIMED)
    for host in ("supernet/tiny", "spiking/vgg16", "timm/resnet18"):
        with pytest.raises(UserError, match=f"tickets drawn on spiking/tiny_relu, which is no ReLU twin of {host};"):
            config(host=host, drawer="imp", transform="respike")
    with pytest.raises(UserError, match="drawn from spiking/tiny_relu, the run's own host, and nothing is carried"):
        config(host="spiking/tiny_relu", drawer="imp", transform="respike")
    asked = config(host="spiking/vgg16@timesteps=2", drawer="imp", transform="respike@host=spiking/vgg16_relu")
    assert [job.host for job in jobs(asked) if job.kind == "draw"] == ["spiking/vgg16_relu"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("spiking/tiny@timesteps=0", "timesteps is 0; give a whole number of at least 1"),
        ("spiking/tiny@tau=0.5", "tau is 0.5; a membrane that forgets more than all of it is none, give at least 1"),
        ("spiking/tiny@threshold=0", "threshold is 0.0; give a number above 0"),
        ("spiking/tiny@maps=4", "3 stages have 3 strides and 4 maps; give each a stride, and no more maps than stages"),
        ("spiking/tiny@neuron=glif", "Input should be 'lif' or 'relu'"),
        ("spiking/tin", "unknown host 'spiking/tin'. Did you mean 'spiking/tiny'?"),
    ],
)
def test_options_of_hosts_are_checked(name, said):
    with pytest.raises(UserError) as error:
        HOSTS.resolve(name)
    assert said in str(error.value)


def test_a_scorer_of_curvature_and_one_of_flow_score_a_spiking_network():
    host = TIMED.initial(0)
    network = Network(host, REQUEST.source.head(host.features))
    before = copy.deepcopy(network.state_dict())
    for name in ("grasp", "synflow"):
        found = SCORERS.make(name, {"batches": 1}).scores(network, REQUEST.source, 0, 0.5)
        assert all(score.isfinite().all() for score in found.values())
        assert any(score.any() for score in found.values()), name
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())
