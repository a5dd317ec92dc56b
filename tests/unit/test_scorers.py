"""The scores: numbers worked out apart, what tells them from each other, and networks left as they were."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from toy import SPEC, ToySource, toy_network

from tasks.figures.tasks import FiguresClassification, FiguresPose, FiguresSegmentation
from tasks.heads.light import Classifier, DenseHead
from tasks.heads.paper import PaperDense
from tickets.errors import UserError
from tickets.hosts.supernet import Supernet
from tickets.pruning.masks import Masks, keep_top, project
from tickets.scorers import SCORERS, synflow
from tickets.scorers.base import Scorer, below
from tickets.scorers.grasp import Grasp
from tickets.scorers.magnitude import Magnitude
from tickets.scorers.snip import Snip
from tickets.scorers.synflow import SynFlow
from tickets.seeding import generator
from tickets.source import Batch
from tickets.training.loop import Training
from tickets.training.masking import Masking, Projection, Reparam
from tickets.training.network import Network
from tickets.training.settings import Settings
from tickets.training.spent import Spent

every_scorer = pytest.mark.parametrize("name", SCORERS.builtin)
both_meanings = pytest.mark.parametrize("masking", [Projection, Reparam])


@pytest.fixture
def brief(monkeypatch):
    """SynFlow in ten rounds, for what does not depend on their number."""
    monkeypatch.setattr(synflow, "ROUNDS", 10)


class Host(nn.Module):
    """Layers in a row as a host of one feature map."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> list[Tensor]:
        """The last layer's output as the only map."""
        return [self.layers(image)]


class Bare(nn.Module):
    """A head that gives the map as it is."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        """The first map."""
        return maps[0]


@dataclass
class Squares(ToySource):
    """Half the squared error to a target, in two batches that are given; images are 3 numbers."""

    size: tuple[int, int] = (1, 1)

    def batch(self, stream: str, step: int) -> Batch:
        """4 images in float64 with their targets."""
        g = generator(0, stream, step)
        image = torch.randn(4, 3, 1, 1, generator=g, dtype=torch.float64)
        return {"image": image, "target": torch.randn(4, 1, generator=g, dtype=torch.float64)}

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean over the batch of 1/2 (output - target)^2."""
        return 0.5 * (outputs - batch["target"]).square().mean()


def two_layers(*between: nn.Module) -> Network:
    """3 numbers -> 2 -> 1, in float64, without biases: `host.layers.1.weight` and the last layer's."""
    torch.manual_seed(0)
    layers = nn.Flatten(), nn.Linear(3, 2, bias=False), *between, nn.Linear(2, 1, bias=False)
    return Network(Host(*layers), Bare()).double()


def toy(masking: type[Masking] = Projection, seed: int = 0) -> Network:
    """The toy supernet after a look at some data, so that no BN is trivial, in train mode."""
    network = toy_network(masking(), seed)
    for batch in ToySource().batches(0, 3):
        network(batch["image"])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("bn.weight", "bn.bias")):
                parameter.add_(0.3 * torch.randn(parameter.shape))
    return network


def masked(masking: type[Masking], sparsity: float = 0.5) -> Network:
    """The toy supernet with random masks in force; masked weights still hold their values."""
    network = toy(masking)
    network.masks = keep_top(SCORERS.make("random").scores(network, ToySource(), 7, sparsity), sparsity)
    return network


def values(
    scorer: Scorer | str, network: Network, sparsity: float = 0.5, source: ToySource | None = None, seed: int = 0
) -> dict[str, Tensor]:
    """A scorer's values, or those of the built-in of a name, over two batches."""
    made = SCORERS.make(scorer, {"batches": 2}) if isinstance(scorer, str) else scorer
    return made.scores(network, source or ToySource(), seed, sparsity)


def counts(masks: Masks) -> list[int]:
    """Kept weights by layer."""
    return [int(mask.sum()) for mask in masks.values()]


# ---- numbers


def test_snip_by_hand():
    """For 1/2 (W2 W1 x - y)^2 with error e: dL/dW2 = mean e (W1 x)', dL/dW1 = mean e W2' x'."""
    network = two_layers()
    first, second = (w.detach() for w in network.prunable()["host"].values())
    slopes = [torch.zeros_like(first), torch.zeros_like(second)]
    for batch in Squares().calibration(2):
        for x, y in zip(batch["image"].flatten(1), batch["target"], strict=True):
            hidden = first @ x
            error = second @ hidden - y
            slopes[0] += torch.outer(second[0] * error, x) / 8
            slopes[1] += torch.outer(error, hidden) / 8
    found = values("snip", network, source=Squares())
    torch.testing.assert_close(found["host.layers.1.weight"], (first * slopes[0]).abs())
    torch.testing.assert_close(found["host.layers.2.weight"], (second * slopes[1]).abs())


def grasp_by_hessian(network: Network, mask: Tensor) -> Tensor:
    """w (H g) of the two tanh layers, flat, by the whole 8 x 8 Hessian, at m*w and with g masked."""
    flat = torch.cat([w.detach().flatten() for w in network.prunable()["host"].values()])

    def loss(w: Tensor) -> Tensor:
        losses = []
        for batch in Squares().calibration(2):
            hidden = torch.tanh(batch["image"].flatten(1) @ w[:6].view(2, 3).T)
            losses.append(0.5 * ((hidden @ w[6:]) / 200 - batch["target"][:, 0]).square().mean())
        return torch.stack(losses).mean()

    at = flat * mask
    slope = torch.autograd.functional.jacobian(loss, at)
    return flat * (torch.autograd.functional.hessian(loss, at) @ (mask * slope))


def flattened(found: dict[str, Tensor]) -> Tensor:
    """All entries in order."""
    return torch.cat([value.flatten() for value in found.values()])


def test_grasp_is_the_hessian_times_the_gradient():
    network = two_layers(nn.Tanh())
    expected = grasp_by_hessian(network, torch.ones(8, dtype=torch.bool))
    torch.testing.assert_close(flattened(values("grasp", network, source=Squares())), expected, rtol=1e-9, atol=0)


def test_grasp_takes_a_masked_weight_out_of_the_flow():
    network = two_layers(nn.Tanh())
    network.masking = Reparam()
    mask = torch.tensor([1, 0, 1, 1, 1, 0, 1, 1], dtype=torch.bool)
    network.masks = {"host.layers.1.weight": mask[:6].view(2, 3), "host.layers.3.weight": mask[6:].view(1, 2)}
    found = flattened(values("grasp", network, source=Squares()))
    torch.testing.assert_close(found, grasp_by_hessian(network, mask), rtol=1e-9, atol=0)


def test_grasp_prunes_a_strongly_negative_weight_before_a_weakly_positive_one():
    """By absolute value, as in ElasticLTH's code, it would be the other way round."""
    found = values("grasp", two_layers(nn.Tanh()), source=Squares())
    flat = flattened(found)
    worst, weakest = flat.argmin(), torch.where(flat > 0, flat, torch.inf).argmin()
    assert flat[worst] < 0 < flat[weakest] < -flat[worst]
    kept = flattened(keep_top(found, 1 / 8))
    assert kept[weakest] and not kept[worst]


def test_synflow_by_hand_on_a_linearised_network():
    """1x1 convolutions A, B with a BN between, a linear head C, one pixel: R = sum |C| |B| s |A| 1 with s =
    |gamma| / sqrt(var + eps). With c_k = sum |C_.k|, a_ij weighs |a_ij| s_i (sum_k c_k |b_ki|) and b_ki weighs
    c_k |b_ki| s_i (sum_j |a_ij|)."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    network = Network(Host(nn.Conv2d(3, 4, 1), norm, nn.ReLU(), nn.Conv2d(4, 2, 1)), Classifier([(2, 1)], 5))
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, -2.0, 1.0, -0.1]))
        norm.bias.fill_(-3.0)
        norm.running_mean.fill_(5.0)
        norm.running_var.copy_(torch.tensor([4.0, 1.0, 0.25, 9.0]))
    a, b = (w.detach().double().abs().flatten(1) for w in network.prunable()["host"].values())
    b = network.head.predict.weight.detach().double().abs().sum(0)[:, None] * b
    s = norm.weight.detach().double().abs() / torch.sqrt(norm.running_var.double() + norm.eps)
    found = values("synflow", network, sparsity=0.0, source=Squares())
    expected = {"host.layers.0.weight": a * (s * b.sum(0))[:, None], "host.layers.3.weight": b * s * a.sum(1)}
    for name, value in expected.items():
        torch.testing.assert_close(found[name].flatten(1), value, rtol=1e-12, atol=0)


# ---- SynFlow's conservation and what it is for


def chain(*widths: int, norms: bool = True) -> Network:
    """3x3 convolutions of these widths in a row, three kinds of norm between them, negative numbers everywhere."""
    torch.manual_seed(0)
    kinds = nn.BatchNorm2d, lambda width: nn.GroupNorm(2, width), lambda width: nn.LayerNorm((width, 16, 16))
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(widths)):
        layers += [nn.Conv2d(a, b, 3, padding=1), *([kinds[i % 3](b)] if norms else []), nn.ReLU()]
    network = Network(Host(*layers), ToySource().head([(widths[-1], 1)]))
    with torch.no_grad():
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            if tensor.dim() in (1, 3):
                tensor.copy_(torch.rand(tensor.shape) if name.endswith("running_var") else torch.randn(tensor.shape))
    return network


@pytest.mark.parametrize("sparsity", [0.0, 0.9])
def test_synflow_conserves_the_flow_from_layer_to_layer(sparsity):
    found = values("synflow", chain(3, 6, 8, 4, 10), sparsity)
    sums = [float(value.sum()) for value in found.values()]
    assert len(sums) == 4 and sums == pytest.approx([sums[0]] * 4, rel=1e-9)


def test_synflow_empties_no_layer_of_a_chain_where_one_shot_and_the_others_do(monkeypatch):
    network = chain(3, 8, 32, 4, 32, 8, norms=False)
    assert min(counts(keep_top(values("synflow", network, 0.99), 0.99))) > 5
    monkeypatch.setattr(synflow, "ROUNDS", 1)
    for name in ("synflow", "snip", "magnitude"):
        assert min(counts(keep_top(values(name, network, 0.99), 0.99))) == 0, name


@torch.no_grad()
def reached(network: Network, masks: Masks) -> bool:
    """Whether some path of kept weights joins image and outputs: with all that multiplies positive, ones pass."""
    positive = copy.deepcopy(network).eval()
    project(positive, masks)
    for name, tensor in [*positive.named_parameters(), *positive.named_buffers()]:
        tensor.copy_(torch.zeros_like(tensor) if name.endswith(("bias", "running_mean")) else tensor.abs())
    return bool((positive(torch.ones(1, 3, 16, 16)) > 0).any())


@pytest.mark.parametrize("seed", range(3))
def test_synflow_never_cuts_the_supernet_where_one_shot_does(seed, monkeypatch):
    """31 of 3,142 weights are left for 33 layers; they lie on paths from the image to the outputs."""
    network = toy(seed=seed)
    masks = keep_top(values("synflow", network, 0.99), 0.99)
    assert sum(counts(masks)) == 31 and reached(network, masks)
    assert masks["host.stem.0.weight"].any() and masks["host.stem.3.weight"].any()
    monkeypatch.setattr(synflow, "ROUNDS", 1)
    assert not reached(network, keep_top(values("synflow", network, 0.99), 0.99))


def test_one_choice_gives_the_masks_of_synflows_last_round(monkeypatch):
    """The last of the choices that it makes inside is repeated by `keep_top` at that level, and is nested."""
    network, levels = toy(), []

    def choose(found: dict[str, Tensor], sparsity: float) -> Masks:
        levels.append((sparsity, keep_top(found, sparsity)))
        return levels[-1][1]

    monkeypatch.setattr(synflow, "keep_top", choose)
    found = values("synflow", network, 0.9)
    assert len(levels) == 99 and levels[49][0] == pytest.approx(1 - 0.1**0.5)
    final = keep_top(found, 0.9)
    for (_, earlier), (_, later) in [*pairwise(levels), (levels[-1], (0.9, final))]:
        assert all((later[name] <= earlier[name]).all() for name in final)
    gone = flattened({name: found[name][~mask] for name, mask in levels[-1][1].items()})
    left = flattened({name: found[name][mask] for name, mask in levels[-1][1].items()})
    assert gone.max() < left.min() and torch.isfinite(flattened(found)).all()


# ---- what tells them apart, and what they have in common


def test_no_two_scorers_give_the_same_masks():
    """Released code of ElasticLTH computes SNIP under SynFlow's name."""
    network = toy()
    masks = {name: flattened(keep_top(values(name, network), 0.5)) for name in SCORERS.builtin}
    for a, b in combinations(masks, 2):
        assert not torch.equal(masks[a], masks[b]), (a, b)


def truth(kind: str, step: int) -> dict[str, Tensor]:
    """What a batch of 4 holds besides images for a task of this kind, with ignored pixels and unseen joints."""
    g = generator(0, kind, step)
    if kind == "cls":
        return {"label": torch.randint(0, 8, (4,), generator=g)}
    if kind == "seg":
        label = torch.randint(0, 5, (4, 16, 16), generator=g)
        label[:, :3] = 255
        return {"label": label}
    return {
        "keypoints": 16 * torch.rand(4, FiguresPose.info.outputs, 2, generator=g),
        "visible": torch.rand(4, FiguresPose.info.outputs, generator=g) < 0.8,
        "torso": torch.ones(4),
    }


KINDS = {"cls": FiguresClassification, "seg": FiguresSegmentation, "pose": FiguresPose}


@dataclass
class OfKind(ToySource):
    """Random images with the truth, the head's outputs and the loss of a real task."""

    kind: str = "cls"
    paper: bool = False

    def head(self, features, units=None, width=None) -> nn.Module:
        """The light head of the kind, or the released one, which holds a search block."""
        if self.paper:
            return PaperDense(features, KINDS[self.kind].info.outputs, width=6)
        build = Classifier if self.kind == "cls" else DenseHead
        return build(features, KINDS[self.kind].info.outputs)

    def calibration(self, count: int) -> Iterator[Batch]:
        """Images and truth."""
        for step in range(count):
            image = torch.randn(4, 3, 16, 16, generator=generator(1, step))
            yield {"image": image, **truth(self.kind, step)}

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The task's own."""
        return KINDS[self.kind](size=(16, 16)).loss(outputs, batch)


@pytest.mark.usefixtures("brief")
@every_scorer
@pytest.mark.parametrize(("kind", "paper"), [("cls", False), ("seg", False), ("pose", False), ("seg", True)])
def test_works_on_every_kind_of_task(name, kind, paper):
    torch.manual_seed(0)
    host, source = Supernet(SPEC), OfKind(kind=kind, paper=paper)
    network = Network(host, source.head(host.features))
    found = values(name, network, 0.8, source)
    weights = network.weights()
    assert {n: v.shape for n, v in found.items()} == {n: w.shape for n, w in weights.items()}
    assert any(weight.startswith("head.") for weight in found) == paper
    for part in network.prunable().values():
        of_part = flattened({weight: found[weight] for weight in part})
        assert torch.isfinite(of_part).all() and len(of_part.unique()) > 100


class Partial(Host):
    """A host with a layer that its maps do not depend on."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
        self.unused = nn.Conv2d(3, 4, 3)


@pytest.mark.parametrize("name", ["snip", "grasp", "synflow"])
def test_a_weight_that_nothing_depends_on_scores_zero(name):
    torch.manual_seed(0)
    found = values(name, Network(Partial(), ToySource().head([(4, 1)])), 0.0)
    assert list(found) == ["host.layers.0.weight", "host.layers.2.weight", "host.unused.weight"]
    assert [bool((value == 0).all()) for value in found.values()] == [False, False, True]


@pytest.mark.usefixtures("brief")
@every_scorer
def test_the_same_call_gives_the_same_scores(name):
    network = toy()
    first, second = values(name, network), values(name, network)
    assert all(torch.equal(first[weight], second[weight]) for weight in first)


def test_random_depends_on_the_seed_alone():
    network = toy()
    with torch.no_grad():
        first = values("random", network, 0.5)
        network.host.stem[0].weight.mul_(2)
        again = values("random", network, 0.9)
        other = values("random", network, 0.5, seed=1)
    assert torch.equal(flattened(first), flattened(again)) and not torch.equal(flattened(first), flattened(other))


@pytest.mark.parametrize(
    ("name", "images"), [("magnitude", 0), ("random", 0), ("snip", 3 * 24), ("grasp", 12 * 24), ("synflow", 300)]
)
@both_meanings
def test_work_is_counted_in_forward_passes(name, images, masking):
    """A gradient counts 3 passes an image, a Hessian-vector product 9, one of SynFlow's hundred rounds 3 of one image;
    whatever the masks are, and to the sparse MACs at what the kept weights cost."""
    training = Training(masked(masking), ToySource(), Settings(4, 0.01), 0)
    with training.meter.on():
        SCORERS.make(name, {"batches": 3}).scores(training.network, training.source, 0, 0.5)
    cost = training.forward_cost
    assert 0 < cost.sparse < cost.dense
    assert training.spent == Spent(images * cost.dense, images * cost.sparse, images)
    before = replace(training.spent)
    SCORERS.make(name, {"batches": 3}).scores(training.network, training.source, 0, 0.5)
    assert training.spent == before


# ---- masks in force


@pytest.mark.usefixtures("brief")
@every_scorer
def test_under_projection_a_masked_weight_is_gone_and_ranks_below_all_others(name):
    """Even one that holds a value, as before the first step after a pruning; so sparsities that rise are nested."""
    network, zeroed = masked(Projection), masked(Projection)
    project(zeroed, zeroed.masks)
    for sparsity in (0.5, 0.8):
        found, again = values(name, network, sparsity), values(name, zeroed, sparsity)
        assert torch.equal(flattened(found), flattened(again))
        chosen = keep_top(found, sparsity)
        assert all((chosen[weight] <= mask).all() for weight, mask in network.masks.items())


@pytest.fixture
def flushed():
    """Denormal numbers are zero, as while jobs run."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor flushes no denormal numbers")
    yield
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("flushed")
def test_a_removed_weight_ranks_below_live_ones_of_score_zero_where_denormals_are_flushed():
    """Half of the live weights are zero, and score zero: as many are kept as are live, and not one removed one."""
    network = masked(Projection)
    with torch.no_grad():
        for weight in network.weights().values():
            weight.masked_fill_(torch.rand(weight.shape) < 0.5, 0.0)
    live = sum(int(mask.sum()) for mask in network.masks.values())
    sparsity = 1 - live / sum(mask.numel() for mask in network.masks.values())
    for name in ("snip", "magnitude", "wanda"):
        chosen = keep_top(values(name, network, sparsity), sparsity)
        assert sum(int((chosen[weight] & ~mask).sum()) for weight, mask in network.masks.items()) == 0


@pytest.mark.parametrize("lowest", [0.0, 1e-40, 0.25, -1e-40, -0.25, -1e30])
def test_what_is_removed_scores_a_normal_number_below_all_others(lowest):
    floor = below({"a": torch.tensor([3.0, lowest])}, {"a": torch.tensor([False, True])})["a"][0]
    assert floor < lowest and floor.abs() >= torch.finfo().tiny


@pytest.mark.parametrize("name", ["magnitude", "snip", "grasp"])
def test_what_is_left_scores_the_same_under_both_semantics(name):
    """And not as in the dense network, unless the score is a magnitude."""
    networks = masked(Projection), masked(Reparam), toy()
    projected, reparam, dense = (values(name, network) for network in networks)
    for weight, mask in networks[0].masks.items():
        torch.testing.assert_close(projected[weight][mask], reparam[weight][mask])
    assert torch.equal(flattened(dense), flattened(reparam)) == (name == "magnitude")


def test_under_reparam_snip_is_the_gradient_of_the_masks_and_a_masked_weight_may_return():
    network = masked(Reparam)
    twin = Network(network.host, network.head)
    masks = {name: mask.float().requires_grad_() for name, mask in network.masks.items()}
    weights = {name: network.get_parameter(name).detach() * mask for name, mask in masks.items()}
    twin.eval()
    total = sum(
        ToySource().loss(functional_call(twin, weights, (batch["image"],)), batch)
        for batch in ToySource().calibration(2)
    )
    slopes = torch.autograd.grad(total / 2, list(masks.values()))
    found = values("snip", network)
    for name, slope in zip(masks, slopes, strict=True):
        torch.testing.assert_close(found[name], slope.abs())
    again = keep_top(found, 0.5)
    assert any((again[name] & ~mask).any() for name, mask in network.masks.items())


def test_under_reparam_synflow_starts_from_the_effective_network(monkeypatch):
    monkeypatch.setattr(synflow, "ROUNDS", 1)
    reparam, projected = (values("synflow", masked(semantics)) for semantics in (Reparam, Projection))
    masks = masked(Reparam).masks
    for name, mask in masks.items():
        torch.testing.assert_close(reparam[name][mask], projected[name][mask])
    assert any((reparam[name][~mask] > 0).any() for name, mask in masks.items())


# ---- nothing is left behind


class Restless(ToySource):
    """Draws from the global generator whenever it is asked for batches."""

    def calibration(self, count: int) -> Iterator[Batch]:
        """Noisy batches."""
        for batch in super().calibration(count):
            yield batch | {"image": batch["image"] + torch.rand(1)}


@pytest.mark.usefixtures("brief")
@every_scorer
@both_meanings
def test_the_network_and_the_global_random_state_are_left_alone(name, masking):
    network = masked(masking)
    scorer = SCORERS.make(name, {"batches": 2})
    network.host.fuses.eval()
    network.host.stem[0].weight.requires_grad_(False)
    network.head.predict.bias.grad = torch.full((2,), 3.0)
    tensors = {key: t.clone() for key, t in network.state_dict().items()}
    masks = {key: mask.clone() for key, mask in network.masks.items()}
    own = network.masking

    def flags() -> list[object]:
        modules = [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in network.modules()]
        return [*modules, *((p.requires_grad, p.grad is None, p._backward_hooks) for p in network.parameters())]

    before, state, identities = flags(), torch.get_rng_state(), [id(t) for t in network.parameters()]
    found = scorer.scores(network, Restless(), 0, 0.8)
    assert flags() == before and identities == [id(t) for t in network.parameters()]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, tensors[key]) for key, tensor in network.state_dict().items())
    assert all(torch.equal(mask, masks[key]) for key, mask in network.masks.items())
    assert network.head.predict.bias.grad.tolist() == [3.0, 3.0] and network.masking is own
    assert not any(value.requires_grad for value in found.values())
    with torch.no_grad():
        assert torch.equal(flattened(scorer.scores(network, Restless(), 0, 0.8)), flattened(found))


@pytest.mark.usefixtures("brief")
@every_scorer
def test_scores_do_not_depend_on_the_mode_that_the_network_is_in(name):
    training, evaluating = toy().train(), toy().eval()
    assert torch.equal(flattened(values(name, training)), flattened(values(name, evaluating)))


# ---- refusals


@pytest.mark.parametrize("scorer", [Snip, Grasp])
@pytest.mark.parametrize("batches", [0, -2])
def test_no_batches_are_refused(scorer, batches):
    with pytest.raises(UserError, match=f"^batches is {batches}; a scorer needs at least 1 training batch$"):
        scorer(batches=batches)


@pytest.mark.parametrize("sparsity", [1.0, 1.5, -0.1, float("nan")])
def test_synflow_refuses_a_sparsity_out_of_range(sparsity):
    with pytest.raises(UserError, match=f"^sparsity {sparsity} cannot be scored for; give a share from 0 up to"):
        SynFlow().scores(toy(), ToySource(), 0, sparsity)


@pytest.mark.parametrize("scorer", [Magnitude(), Snip(2), Grasp(2)])
def test_a_weight_that_is_no_number_is_named_when_masks_are_chosen(scorer):
    network = masked(Projection)
    name = "host.branches.1.1.0.project.weight"
    network.masks[name][:] = True
    with torch.no_grad():
        network.get_parameter(name)[0, 0] = float("nan")
    with pytest.raises(ValueError, match="not all finite"):
        keep_top(values(scorer, network), 0.8)
    with pytest.raises(ValueError, match=f"the scores of '{name}' are not all finite"):
        keep_top(values("magnitude", network), 0.8)
