"""The search: unit costs and penalties by hand, and shrinks that change no output."""

import pytest
import torch
from torch import nn
from toy import SPEC, ToySource, toy_network

from tickets.cost import estimated_macs, layer_costs, sparse_macs
from tickets.drawers.base import Drawer
from tickets.hosts.supernet import Supernet
from tickets.pruning.masks import keep_top
from tickets.search.costs import Penalty, penalties, per_unit, unit_costs
from tickets.search.searchable import live_units, search_blocks
from tickets.search.surgery import live_units_mask, shrink
from tickets.seeding import generator
from tickets.training.events import Event
from tickets.training.loop import Training
from tickets.training.masking import Reparam
from tickets.training.network import Network
from tickets.training.settings import Settings


def trained(sparsity: float = 0.5, steps: int = 3, **riding: object) -> Training:
    """A toy network after a few steps, so that moments, averages and BN statistics are not trivial."""
    network = toy_network(Reparam())
    weights = network.prunable()["host"]
    network.masks = keep_top({n: w.detach().abs() for n, w in weights.items()}, sparsity)
    training = Training(network, ToySource(), Settings(steps=steps, learning_rate=0.05), 0, **riding)
    training.run()
    return training


def test_unit_costs_by_hand():
    """One unit of kernel k: in x (its input pixels) + (k*k + out) x (output pixels)."""
    host = Supernet(SPEC)
    costs = unit_costs(host, layer_costs(host, (16, 16)))
    assert costs["fuses.0.paths.0to0"] == {k: 4 * 16 + (k * k + 4) * 16 for k in (3, 5, 7)}
    assert costs["fuses.1.new"] == {k: 4 * 16 + (k * k + 6) * 4 for k in (3, 5, 7)}


def test_penalty_factors_average_to_one_over_units():
    host = Supernet(SPEC)
    factors = penalties(host, unit_costs(host, layer_costs(host, (16, 16))))
    blocks = search_blocks(host)
    units = [(factors[n][k], c) for n, b in blocks.items() for k, c in b.units.items()]
    assert sum(f * c for f, c in units) / sum(c for _, c in units) == pytest.approx(1, abs=1e-6)
    expected = sum(f * c for f, c in units)  # every gamma starts at 1
    assert Penalty(host, factors)().item() == pytest.approx(expected, rel=1e-5)


def test_penalty_reaches_only_gammas():
    host = Supernet(SPEC)
    Penalty(host, penalties(host, unit_costs(host, layer_costs(host, (16, 16)))))().backward()
    touched = {name for name, p in host.named_parameters() if p.grad is not None}
    assert touched == {f"{name}.depthwise_bn.weight" for name in search_blocks(host)}


def test_gradients_of_the_penalty_are_those_of_a_sum_a_block_to_the_last_bit():
    """At gammas of both signs and of both zeros; a host without units has a penalty of 0."""
    host = Supernet(SPEC)
    factors, found = penalties(host, unit_costs(host, layer_costs(host, (16, 16)))), []
    blocks = search_blocks(host)
    with torch.no_grad():
        for block in blocks.values():
            block.gamma.normal_(generator=generator(0, "gamma"))[:2] = torch.tensor([0.0, -0.0])
    for penalty in (
        Penalty(host, factors)(),
        torch.stack(
            [(per_unit(block, factors[name]) * block.gamma.abs()).sum() for name, block in blocks.items()]
        ).sum(),
    ):
        host.zero_grad()
        (1.0 + 0.000371 * penalty).backward()
        found.append(torch.cat([block.gamma.grad for block in blocks.values()]).view(torch.int32))
    assert torch.equal(*found)
    assert Penalty(nn.Linear(2, 2), {})().item() == 0


@pytest.mark.parametrize("dead", ["some", "kernel", "block"])
def test_shrink_changes_no_output(dead):
    """Raw and averaged network compute the same before (gammas at zero) and after the cut, borders included."""
    training = trained()
    network, ema = training.network, training.ema
    name = "host.fuses.1.new"
    gamma = f"{name}.depthwise_bn.weight"
    block = network.get_submodule(name)
    index = {"some": [0, 5, 6, 11], "kernel": [4, 5, 6, 7, 9], "block": list(range(12))}[dead]
    with torch.no_grad():
        block.gamma[index] = 0
        ema.values[gamma][index] = 0
        for mean in (block.project_bn.running_mean, ema.values[f"{name}.project_bn.running_mean"]):
            mean.add_(0.3)
    x = torch.randn(4, 3, 16, 16)
    before = network.eval()(x), ema.copy_of(network).eval()(x)
    optimizer = training.optimizer
    moments = optimizer.state[block.expand.weight]["exp_avg"].clone()
    mask = network.masks[f"{name}.expand.weight"].clone()
    live = live_units_mask(network, ema, 1e-3, by_average=True)

    assert shrink(network, ema, optimizer, live) == len(index)

    after = network.eval()(x), ema.copy_of(network).eval()(x)
    torch.testing.assert_close(after[0], before[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(after[1], before[1], rtol=1e-5, atol=1e-5)
    keep = [i for i in range(12) if i not in index]
    if dead == "block":
        assert block.units == {} and not any(n.startswith(f"{name}.e") for n in network.masks)
        assert any(p is block.shift for p in optimizer.param_groups[-1]["params"])
    else:
        assert torch.equal(optimizer.state[block.expand.weight]["exp_avg"], moments[keep])
        assert torch.equal(network.masks[f"{name}.expand.weight"], mask[keep])
    if dead == "kernel":
        assert block.units == {3: 4, 7: 3}
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in network.parameters()}
    assert set(optimizer.state) <= set(network.parameters())
    assert ema.values.keys() == ema.__class__(network, 0.9).values.keys()


def test_a_shrunk_network_trains_on_and_can_be_rebuilt_from_its_units():
    class Halving(Drawer):
        """Cuts every third unit."""

        def do_halve(self, training: Training) -> None:
            """Of every block."""
            blocks = search_blocks(training.network)
            live = {n: torch.arange(sum(b.units.values())) % 3 > 0 for n, b in blocks.items()}
            shrink(training.network, training.ema, training.optimizer, live)
            training.masks_changed()

    training = trained(events=(Event(2, "halve"),), method=Halving())
    units = {n.removeprefix("host."): u for n, u in live_units(training.network).items()}
    assert units["fuses.1.new"] == {3: 2, 5: 3, 7: 3}
    twin = Supernet(SPEC, units)
    twin.load_state_dict(training.network.host.state_dict(), strict=True)
    x = torch.randn(2, 3, 16, 16)
    training.network.masks = {}
    torch.testing.assert_close(twin.eval()(x), training.network.host.eval()(x))


def test_a_unit_lives_while_either_importance_is_above_the_threshold():
    training = trained()
    name = "host.fuses.0.paths.0to0"
    block, average = training.network.get_submodule(name), training.ema.values[f"{name}.depthwise_bn.weight"]
    with torch.no_grad():
        block.gamma.fill_(1.0)
        average.fill_(1.0)
        block.gamma[0] = average[1] = block.gamma[2] = average[2] = -1e-3
    either = live_units_mask(training.network, training.ema, 1e-3, by_average=False)[name]
    average_alone = live_units_mask(training.network, training.ema, 1e-3, by_average=True)[name]
    assert (~either).nonzero().flatten().tolist() == [2]
    assert (~average_alone).nonzero().flatten().tolist() == [1, 2]


def test_sparse_macs_are_exact_by_layer_and_the_estimate_is_not():
    """Cutting a 1x1 at many positions saves more than the global density says."""
    host = Supernet(SPEC)
    costs = layer_costs(host, (16, 16))
    stem = torch.ones_like(host.stem[0].weight, dtype=torch.bool)
    stem[:2] = False  # 2 of 4 filters of a 3x3x3 convolution at 8x8 positions
    masks = {n: torch.ones_like(w, dtype=torch.bool) for n, w in Network(host, host).prunable()["host"].items()}
    masks = {n.removeprefix("host."): m for n, m in masks.items()} | {"stem.0.weight": stem}
    total = sum(layer.macs for layer in costs)
    assert sparse_macs(costs, masks) == total - 2 * 27 * 64
    weights = sum(layer.weights for layer in costs)
    assert estimated_macs(costs, masks) == round(total * (weights - 54) / weights)
