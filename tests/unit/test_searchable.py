"""A block of another kind than the supernet's is searched, shrunk exactly, saved and resumed, by what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from toy import ToySource

from tickets.drawers.base import Request
from tickets.drawers.supertickets import SuperTickets
from tickets.hosts import HOSTS
from tickets.hosts.base import HostSpec
from tickets.pruning.masks import keep_top
from tickets.recipes.base import transfer
from tickets.recipes.finetune import Finetune
from tickets.search.costs import unit_costs
from tickets.search.searchable import Cut, Searchable, live_units
from tickets.search.surgery import live_units_mask, shrink
from tickets.ticket import Ticket
from tickets.training.checkpoint import Checkpoint
from tickets.training.ema import Ema
from tickets.training.loop import Training
from tickets.training.masking import Reparam
from tickets.training.network import Network
from tickets.training.settings import Settings
from tickets.traits import Traits

WIDTH = 4


class Bottleneck(Searchable):
    """x + W relu(BN(two convolutions side by side, of one pixel and of nine)); gamma is the norm's scale."""

    gamma_name = "norm.weight"
    last = ("project.bias",)

    def __init__(self, units):
        super().__init__()
        units = {k: n for k, n in units.items() if n}
        self.expand = nn.ModuleDict({str(k): nn.Conv2d(WIDTH, n, k, 1, k // 2, bias=False) for k, n in units.items()})
        if units:
            hidden = sum(units.values())
            self.norm, self.project = nn.BatchNorm2d(hidden), nn.Conv2d(hidden, WIDTH, 1)
        else:
            self.constant = nn.Parameter(torch.zeros(WIDTH))

    @property
    def units(self):
        """Outputs of each convolution."""
        return {int(k): conv.out_channels for k, conv in self.expand.items()}

    def forward(self, x):
        """(B, 4, H, W) -> (B, 4, H, W)."""
        if not self.expand:
            return x + self.constant[:, None, None]
        hidden = torch.cat([conv(x) for conv in self.expand.values()], 1)
        return x + self.project(F.relu(self.norm(hidden)))

    def unit_macs(self, macs: Mapping[str, int]):
        """Its own convolution and a share of the projection."""
        shared = macs["project"] / sum(self.units.values())
        return {k: macs[f"expand.{k}"] / n + shared for k, n in self.units.items()}

    def cuts(self, live):
        """Outputs of the convolutions, the norm, inputs of the projection."""
        keep = live.nonzero().flatten()
        found = {f"norm.{t}": Cut(0, keep) for t in ("weight", "bias", "running_mean", "running_var")}
        for (k, _), part in zip(self.units.items(), live.split(list(self.units.values())), strict=True):
            found[f"expand.{k}.weight"] = Cut(0, part.nonzero().flatten())
        return found | {"project.weight": Cut(1, keep)}

    def fold(self, tensor, dead):
        """A dead unit emits relu(beta); what the projection makes of it goes to the bias."""
        with torch.no_grad():
            bias = tensor("project.bias")
            bias += tensor("project.weight")[:, dead, 0, 0] @ F.relu(tensor("norm.bias")[dead])

    def constants(self, tensor):
        """The bias is what is left."""
        return {"constant": tensor("project.bias").detach()}

    def conform(self, units):
        """Channel counts, and what has none goes."""
        for k, n in units.items():
            if n:
                self.expand[str(k)].out_channels = n
            else:
                del self.expand[str(k)]
        if hidden := sum(units.values()):
            self.norm.num_features = self.project.in_channels = hidden
        else:
            del self.norm, self.project


class TwoBlocks(nn.Module):
    """A stem and two bottlenecks."""

    def __init__(self, units):
        super().__init__()
        self.features = [(WIDTH, 4)]
        self.stem = nn.Conv2d(3, WIDTH, 4, 4)
        self.first, self.second = Bottleneck(units["first"]), Bottleneck(units["second"])

    def forward(self, image):
        """One map."""
        return [self.second(self.first(self.stem(image).relu()))]


@dataclass(frozen=True)
class TwoBlocksSpec(HostSpec):
    """The host of these tests: branches of `small` and `large` units."""

    kind = "bottlenecks"
    traits = Traits(has_units=True)
    small: int = 6
    large: int = 5

    def build(self, units=None):
        """All units, or those that a search left."""
        full = {1: self.small, 3: self.large}
        return TwoBlocks(units or {"first": full, "second": full})


REQUEST = Request(TwoBlocksSpec(), ToySource(), Settings(28, 0.05, calibration_batches=2), 0.6, 0)


@pytest.fixture
def plugged(monkeypatch):
    """The host under a name, as another package has it."""
    point = EntryPoint("bottlenecks/two", f"{__name__}:TwoBlocksSpec", HOSTS.group)
    monkeypatch.setitem(vars(HOSTS), "_plugins", {"bottlenecks/two": [point]})


def trained() -> Training:
    """A few steps under masks, so that moments, averages and statistics are not trivial."""
    torch.manual_seed(0)
    host = TwoBlocksSpec().initial(0)
    network = Network(host, ToySource().head(host.features), masking=Reparam())
    network.masks = keep_top({n: w.detach().abs() for n, w in network.weights().items()}, 0.5)
    training = Training(network, ToySource(), Settings(4, 0.05), 0)
    training.run()
    return training


def test_unit_costs_by_hand():
    """One unit of a k x k branch at 4x4 pixels: 4 inputs x k x k, and 4 outputs."""
    training = trained()
    costs = unit_costs(training.network, training.layers)
    assert costs["host.first"] == costs["host.second"] == {k: 16 * (4 * k * k + 4) for k in (1, 3)}


@pytest.mark.parametrize("dead", [[0, 4, 7], [0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 2], list(range(11))])
def test_a_shrink_changes_no_output(dead):
    """Some units, all of one branch or of the other, all of the block; of the raw and of the averaged network."""
    training = trained()
    network, ema, optimizer = training.network, training.ema, training.optimizer
    block = network.host.second
    with torch.no_grad():
        block.gamma[dead] = 0
        block.norm.bias.add_(0.5)  # what dead units emit is not nothing
        ema.values["host.second.norm.weight"][dead] = 0
        ema.values["host.second.norm.bias"].add_(0.3)
    x = torch.randn(4, 3, 16, 16)
    before = network.eval()(x), ema.copy_of(network).eval()(x)
    masks = {n: m.clone() for n, m in network.masks.items()}
    weight, moments = block.project.weight, optimizer.state[block.project.weight]["exp_avg"].clone()
    live = live_units_mask(network, ema, 1e-3, by_average=True)
    assert shrink(network, ema, optimizer, live) == len(dead)
    training.masks_changed()
    after = network.eval()(x), ema.copy_of(network).eval()(x)
    torch.testing.assert_close(after[0], before[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(after[1], before[1], rtol=1e-5, atol=1e-5)
    keep = [i for i in range(11) if i not in dead]
    units = {1: sum(i < 6 for i in keep), 3: sum(i >= 6 for i in keep)}
    assert block.units == {k: n for k, n in units.items() if n}
    if keep:
        assert torch.equal(optimizer.state[weight]["exp_avg"], moments[:, keep])
        assert torch.equal(network.masks["host.second.project.weight"], masks["host.second.project.weight"][:, keep])
    else:
        assert any(p is block.constant for p in optimizer.param_groups[-1]["params"])
        assert not any(name.startswith("host.second") for name in network.masks)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in network.parameters()} and set(optimizer.state) <= set(network.parameters())
    assert ema.values.keys() == Ema(network, 0.9).values.keys()
    twin = TwoBlocks({name.removeprefix("host."): u for name, u in live_units(network).items()})
    twin.load_state_dict(network.host.state_dict(), strict=True)


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize("target", [0.3, 0.7])
def test_supertickets_search_it_to_a_target(tmp_path, target):
    """No knowledge of the block beside its answers: units are cut until the target is met, by at most one unit."""
    drawer = SuperTickets(rho=0.1, macs_target=target, threshold=0.0)
    ticket = drawer.draw(REQUEST)
    full = 2 * 16 * (6 * 8 + 5 * 40)
    left = sum(16 * (8 * units.get(1, 0) + 40 * units.get(3, 0)) for units in ticket.host.units.values())
    assert target - 16 * 40 / full < left / full <= target
    assert ticket.prunable - ticket.kept == round(0.6 * ticket.prunable)
    ticket.save(tmp_path / "t")
    back = Ticket.load(tmp_path / "t")
    assert back.hash == ticket.hash and back.spec == TwoBlocksSpec() and back.host.units == ticket.host.units
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(back.build()(x)[0], ticket.build()(x)[0])
    training = transfer(back, Finetune(), ToySource(name="toy/other"), replace(REQUEST.settings, steps=2), 0)
    training.run()
    assert training.sparsity == ticket.sparsity


def test_the_penalty_cuts_its_units():
    left = [SuperTickets(rho=rho, threshold=0.9).draw(REQUEST).prunable for rho in (0.0, 0.5)]
    assert left[1] < left[0]


def test_a_search_that_was_interrupted_ends_as_the_undisturbed_one(tmp_path, monkeypatch):
    monkeypatch.setattr("tickets.training.checkpoint.EVERY_S", -1.0)
    drawer = SuperTickets(rho=0.1, macs_target=0.3, threshold=0.0)

    class Stopping(ToySource):
        """Ends the process's training before step 20."""

        def batches(self, start, stop):
            """The same batches, up to there."""
            for step in range(start, stop):
                if step == 20:
                    raise KeyboardInterrupt
                yield self.batch("train", step)

    file = tmp_path / "draw.pt"
    with pytest.raises(KeyboardInterrupt):
        drawer.draw(replace(REQUEST, source=Stopping(), checkpoint=Checkpoint(file)))
    assert Checkpoint(file).state["units"] != {f"host.{name}": {1: 6, 3: 5} for name in ("first", "second")}
    assert drawer.draw(replace(REQUEST, checkpoint=Checkpoint(file))).hash == drawer.draw(REQUEST).hash
