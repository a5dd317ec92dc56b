"""Scorers and a drawer that look at what layers are given: hand values, least squares, costs, native kernels."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import compiler
import pytest
import torch
from torch import Tensor, nn
from toy import SPEC, ToySource, drawn, toy_network

from tickets.contract.brightness import SPEC as EVEN
from tickets.cost import dense_macs, layer_costs
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.hosts.native import force, processor
from tickets.pruning import second_order
from tickets.pruning.second_order import compensated, damped, saliency
from tickets.scorers import SCORERS
from tickets.scorers.obs import hessians
from tickets.source import Batch
from tickets.ticket import Ticket
from tickets.training.loop import Training
from tickets.training.masking import Reparam
from tickets.training.network import Network
from tickets.training.settings import Settings

SETTINGS = Settings(3, 0.02, calibration_batches=1)


class Row(nn.Module):
    """A host of layers in a row."""

    features = ((1, 1),)

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> list[Tensor]:
        """The only map."""
        return [self.layers(image)]


class Sum(nn.Module):
    """A head without weights."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        """One number an image, of two classes."""
        return maps[0].flatten(1)[:, :2]


@dataclass
class Given(ToySource):
    """A source whose every calibration batch is the one that is given."""

    image: Tensor = field(default_factory=lambda: torch.zeros(1, 2))

    def batch(self, stream: str, step: int) -> Batch:
        """The images."""
        return {"image": self.image, "label": torch.zeros(len(self.image), dtype=torch.int64)}


def row(*layers: nn.Module) -> Network:
    """A network of layers."""
    return Network(Row(*layers), Sum())


def linear(rows: list[list[float]]) -> nn.Linear:
    """A linear layer of these weights."""
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    layer.weight.data = torch.tensor(rows)
    return layer


class Pick(nn.Module):
    """The first channels of images of one pixel."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, 1, 1) -> (B, count)."""
        return image.flatten(1)[:, : self.count]


# ---- wanda


def test_wanda_by_hand():
    """Inputs (3, 0), (4, 0), (0, 1): norms 5 and 1; scores are |w| times those."""
    network = row(linear([[1.0, -3.0], [0.5, 2.0]]))
    source = Given(image=torch.tensor([[3.0, 0.0], [4.0, 0.0], [0.0, 1.0]]))
    found = SCORERS.make("wanda", {"batches": 1}).scores(network, source, 0, 0.5)
    torch.testing.assert_close(found["host.layers.0.weight"], torch.tensor([[5.0, 3.0], [2.5, 2.0]]))


def test_wanda_of_groups_reads_each_group_s_own_channels():
    """Four channels of constant 1, 2, 3, 4 at four positions: norms 2, 4, 6, 8; two groups of two, then depthwise."""
    image = torch.arange(1.0, 5.0).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    source = Given(image=image)
    for layer, norms in (
        (nn.Conv2d(4, 6, 1, groups=2, bias=False), [[2.0, 4.0]] * 3 + [[6.0, 8.0]] * 3),
        (nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False), [[2.0], [4.0], [6.0], [8.0]]),
    ):
        (found,) = SCORERS.make("wanda", {"batches": 1}).scores(row(layer), source, 0, 0.5).values()
        torch.testing.assert_close(found, layer.weight.detach().abs() * torch.tensor(norms)[:, :, None, None])


def test_the_drawer_wanda_prunes_every_output_alike():
    """To within one weight, exact in sum."""
    ticket = drawn(DRAWERS.make("wanda"), Request(SPEC, ToySource(), SETTINGS, 0.5, 0))
    assert ticket.prunable - ticket.kept == round(0.5 * ticket.prunable)
    for mask in ticket.host.masks.values():
        counts = mask.flatten(1).sum(1)
        assert counts.max() - counts.min() <= 1


@compiler.needed
@pytest.mark.parametrize("name", ["wanda", "obs"])
def test_layers_are_seen_under_native_kernels_too(name):
    """Which would run a block whole: with hooks inside they leave it alone, in the network's own mode or another."""
    found = {}
    for kernels in ("torch", processor.usable()[0].name):
        for mode in (True, False):
            with force.using(kernels, 1):
                scorer = SCORERS.make(name, {"batches": 2})
                found[kernels, mode] = scorer.scores(toy_network().train(mode), ToySource(), 0, 0.5)
    first, *others = found.values()
    assert all(bool((score > 0).any()) for score in first.values())
    assert all(torch.equal(score, other[layer]) for other in others for layer, score in first.items())


@pytest.mark.parametrize("name", ["wanda", "obs"])
def test_other_layers_are_refused_in_a_sentence(name):
    with pytest.raises(UserError, match=r"^inputs of 'host\.layers\.0\.weight' are not known, which is of a Conv1d; "):
        SCORERS.make(name).scores(row(nn.Conv1d(2, 2, 1)), Given(), 0, 0.5)


# ---- curvature


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(6, 3, bias=False),
        nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(4, 8, (3, 5), padding=(1, 2), dilation=(1, 2), groups=2, bias=False),
        nn.Conv2d(4, 4, 5, padding="same", groups=4, padding_mode="reflect", bias=False),
    ],
    ids=["linear", "strided", "grouped and dilated", "depthwise and reflected"],
)
def test_the_parabola_of_a_layer_is_the_square_of_its_output(layer):
    """w H w' summed over outputs is |layer(x)|^2; what damping adds is one percent of the diagonal's mean."""
    torch.manual_seed(0)
    x = torch.randn(7, 6) if isinstance(layer, nn.Linear) else torch.randn(7, 4, 9, 8)
    (hessian,) = hessians(row(layer), Given(image=x), 0, 1).values()
    rows = layer.weight.detach().double().reshape(len(hessian), -1, hessian.shape[1])
    diagonal = hessian.diagonal(dim1=1, dim2=2).mean(1) / 1.01
    added = (0.01 * diagonal[:, None, None] * rows.square()).sum()
    total = torch.einsum("gri,gij,grj->", rows, hessian, rows)
    torch.testing.assert_close(
        float(total - added), float(layer(x).detach().double().square().sum()), rtol=1e-5, atol=0
    )


def problem(outputs: int = 5, d: int = 7, groups: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """A layer's weight, masks of many shapes and a curvature of correlated inputs."""
    g = torch.Generator().manual_seed(1)
    x = torch.randn(groups, d, 20, generator=g, dtype=torch.float64)
    hessian = damped((x + x.roll(1, 1)) @ (x + x.roll(1, 1)).mT)
    weight = torch.randn(groups * outputs, d, 1, 1, generator=g, dtype=torch.float64)
    mask = torch.rand(weight.shape, generator=g) < torch.linspace(0, 1, groups * outputs)[:, None, None, None]
    return weight, mask, hessian


def error(change: Tensor, hessian: Tensor) -> Tensor:
    """The output's squared error of a change of the weights, by output."""
    rows = change.view(len(hessian), -1, hessian.shape[1])
    return torch.einsum("gri,gij,grj->gr", rows, hessian, rows).flatten()


def test_kept_weights_are_least_squares():
    """At the minimum the slope of the error is zero for each weight that is kept."""
    weight, mask, hessian = problem()
    found = compensated(weight, mask, hessian)
    slope = ((found - weight).view(2, 5, 7) @ hessian).view(weight.shape)
    assert not found[~mask].any() and float((slope * mask).abs().max()) < 1e-9 < float(slope.abs().max())
    assert (error(found - weight, hessian) <= error(weight * mask - weight, hessian) + 1e-12).all()


def test_the_saliency_is_the_error_that_a_removal_makes():
    """Tried: every weight that is there is removed alone, from weights that are best for their mask."""
    weight, mask, hessian = problem()
    weight = compensated(weight, mask, hessian)
    found, whole = saliency(weight, mask, hessian), torch.ones_like(mask)
    for there, start, said in ((mask, weight, found), (whole, weight + 1, saliency(weight + 1, whole, hessian))):
        for place in there.nonzero():
            left = there.clone()
            left[tuple(place)] = False
            made = error(compensated(start, left, hessian) - start, hessian)
            torch.testing.assert_close(made.sum(), said[tuple(place)], rtol=1e-8, atol=1e-12)
    assert not found[~mask].any()


def test_outputs_in_parts_are_outputs_at_once(monkeypatch):
    weight, mask, hessian = problem()
    before = compensated(weight, mask, hessian), saliency(weight, mask, hessian)
    monkeypatch.setattr(second_order, "AT_ONCE", 2 * 7 * 7 * 2)
    after = compensated(weight, mask, hessian), saliency(weight, mask, hessian)
    assert all(torch.allclose(a, b, rtol=1e-12) for a, b in zip(after, before, strict=True))


# ---- obc


def of_pixels(rows: list[list[float]]) -> Given:
    """A source whose images are single pixels."""
    return Given(image=torch.tensor(rows)[:, :, None, None], size=(1, 1))


def test_obc_by_hand_on_two_weights():
    """Inputs (1, 1), (1, 0), (0, 1): H = [[2.02, 1], [1, 2.02]] with its damping. Of w = (1, 2) the first costs less;
    the second becomes 2 + 1/2.02. The average (1.5, 4) moves alike, to 4 + 1.5/2.02."""
    network = row(Pick(2), linear([[1.0, 2.0]]))
    source = of_pixels([[1.0, 1.0, 9.0], [1.0, 0.0, 9.0], [0.0, 1.0, 9.0]])
    drawer = DRAWERS.make("obc@rounds=1@batches=1")
    training = Training(network, source, SETTINGS, 0, drawer)
    training.ema.values["host.layers.1.weight"].copy_(torch.tensor([[1.5, 4.0]]))
    drawer.do_prune(training, 0.5)
    assert network.masks["host.layers.1.weight"].tolist() == [[False, True]]
    torch.testing.assert_close(network.host.layers[1].weight.detach(), torch.tensor([[0.0, 2 + 1 / 2.02]]))
    averaged = training.averaged().host.layers[1].weight.detach()
    torch.testing.assert_close(averaged, torch.tensor([[0.0, 4 + 1.5 / 2.02]]))


def test_obc_goes_by_inputs_where_magnitude_does_not():
    """By hand: the small weight reads what is large. Uncorrelated inputs of squares 100 and 1: 0.25 * 100 > 1 * 1."""
    found = {}
    for name in ("obc@rounds=1@batches=1", "omp"):
        network = row(Pick(2), linear([[0.5, 1.0]]))
        training = Training(network, of_pixels([[10.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), SETTINGS, 0, DRAWERS.make(name))
        DRAWERS.make(name).do_prune(training, 0.5)
        found[name] = network.masks["host.layers.1.weight"].tolist()
    assert list(found.values()) == [[[True, False]], [[False, True]]]


@pytest.mark.parametrize("sparsity", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("masking", [None, Reparam], ids=["projection", "reparam"])
def test_the_output_of_a_layer_stays_nearer_than_under_magnitude(sparsity, masking):
    """On random weights and correlated random inputs, at one count of weights."""
    for seed in range(5):
        left = {}
        for name in ("obc@batches=1", "omp@allocation=uniform"):
            torch.manual_seed(seed)
            layer = nn.Conv2d(3, 10, 3, padding=1, bias=False)
            network = Network(Row(layer), Sum(), masking=masking() if masking else None)
            image = torch.randn(4, 3, 9, 9).cumsum(3)
            before, drawer = layer(image).detach(), DRAWERS.make(name)
            training = Training(network, Given(image=image, size=(9, 9)), SETTINGS, 0, drawer)
            (this,) = drawer.trainings(3, sparsity)
            for event in this.events:
                if event.do == "prune":
                    drawer.do_prune(training, **event.to)
            (mask,) = network.masks.values()
            assert int((~mask).sum()) == round(sparsity * 270)
            left[name] = float((network.effective().host(image)[0] - before).square().sum().detach())
        assert left["obc@batches=1"] < 0.9 * left["omp@allocation=uniform"], seed


def test_rounds_remove_as_they_say_and_none_comes_back():
    """Shares of 1 - .2^(r/3); every output of `row` alike."""
    seen, drawer = [], DRAWERS.make("obc@rounds=3")

    class Watched(type(drawer)):
        def allocate(self, network, scores, sparsity):
            seen.append(super().allocate(network, scores, sparsity))
            return seen[-1]

    drawn(Watched(rounds=3), Request(SPEC, ToySource(), SETTINGS, 0.8, 0))
    flat = [torch.cat([mask.flatten() for mask in masks.values()]) for masks in seen]
    assert [int((~f).sum()) for f in flat] == [round((1 - 0.2 ** (r / 3)) * len(flat[0])) for r in (1, 2, 3)]
    assert not any((later & ~earlier).any() for earlier, later in pairwise(flat))


def test_what_obc_computes_is_counted():
    """Every round runs its batches once; batch norms are recalibrated before and after the last pruning and for the
    ticket."""
    ticket = drawn(DRAWERS.make("obc@rounds=2@batches=3"), Request(SPEC, ToySource(), SETTINGS, 0.8, 0))
    images = 8 * (2 * 3 + 3 * 1)
    host = SPEC.build()
    forward = dense_macs(layer_costs(Network(host, ToySource().head(host.features)), (16, 16)))
    spent = ticket.provenance["spent"]
    assert (spent["images"], spent["macs"]) == (images, images * forward)


def test_a_group_of_four_keeps_two_moved_weights(tmp_path):
    ticket = drawn(DRAWERS.make("obc@pattern=2:4"), Request(EVEN, ToySource(), SETTINGS, 0.5, 0))
    plain = drawn(DRAWERS.make("omp@pattern=2:4@scorer=obs"), Request(EVEN, ToySource(), SETTINGS, 0.5, 0))
    ticket.save(tmp_path / "t")
    assert Ticket.load(tmp_path / "t").sparsity == 0.5
    moved = [n for n, m in ticket.host.masks.items() if not torch.equal(ticket.host.raw[n] * m, plain.host.raw[n] * m)]
    assert moved and ticket.build()(torch.randn(1, 3, 16, 16))[0].isfinite().all()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("rounds=0", "rounds is 0; give a whole number of at least 1"),
        ("scorer=snip", "scorer is snip; obc ranks weights"),
    ],
)
def test_what_obc_cannot_do_is_refused(option, said):
    with pytest.raises(UserError, match=said):
        DRAWERS.make(f"obc@{option}")
