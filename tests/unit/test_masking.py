"""What a mask does to its weight while training: three meanings, and scores that are trained through their mask."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn
from toy import SPEC, ToySource, toy_network

from tickets.drawers.base import Drawer, Request
from tickets.errors import UserError
from tickets.pruning.masks import Semantics, keep_top
from tickets.recipes.base import transfer
from tickets.recipes.frozen import Frozen
from tickets.seeding import generator
from tickets.ticket import Ticket
from tickets.training.checkpoint import Checkpoint
from tickets.training.loop import Training
from tickets.training.masking import Projection, Reparam, Scored, masking
from tickets.training.network import Network
from tickets.training.optimisation import optimizer
from tickets.training.settings import Settings

NAME = "host.weight"
WEIGHT, SCORE = torch.tensor([[0.5, -2.0, 1.0, 3.0]]), torch.tensor([[0.1, 0.9, 0.4, 0.3]])
X = torch.tensor([[1.0, 2.0, 3.0, 4.0]])


class Sum(nn.Module):
    """A head: the sum of what it is given."""

    def forward(self, maps):
        """One number."""
        return maps.sum()


def linear(made) -> Network:
    """One linear layer of four weights under a masking."""
    host = nn.Linear(4, 1, bias=False)
    with torch.no_grad():
        host.weight.copy_(WEIGHT)
    return Network(host, Sum(), masking=made)


def test_scored_by_hand():
    """y = sum m w x with the two highest scores kept: dy/ds = w x for every score, dy/dw = m x."""
    network = linear(Scored({NAME: SCORE}, 0.5))
    network.masking.settle(network)
    assert network.masks[NAME].tolist() == [[False, True, True, False]]
    y = network(X)
    assert y.item() == -2 * 2 + 1 * 3
    y.backward()
    (score,) = network.masking.scores
    assert score.grad.tolist() == [[0.5, -4.0, 3.0, 12.0]]
    assert network.host.weight.grad.tolist() == [[0.0, 2.0, 3.0, 0.0]]


def test_masks_follow_the_scores_and_nothing_else():
    network = linear(Scored({NAME: SCORE}, 0.5))
    network.masks = {"head.other": torch.ones(3, dtype=torch.bool)}
    with torch.no_grad():
        network.masking.scores[0].copy_(torch.tensor([[3.0, -1.0, 2.0, -5.0]]))
        network.host.weight.mul_(-7)
    network.masking.settle(network)
    assert network.masks[NAME].tolist() == [[True, False, True, False]] and network.masks["head.other"].all()
    assert network.host.weight.tolist() == (-7 * WEIGHT).tolist()  # a masked weight keeps its value


def test_its_first_scores_are_copied_and_other_weights_are_reparametrised():
    scores = {NAME: SCORE.clone()}
    made = Scored(scores, 0.5)
    scores[NAME].zero_()
    assert torch.equal(made.scores[0], SCORE)
    w = torch.ones(2, requires_grad=True)
    made.weight("other", w, torch.tensor([True, False])).sum().backward()
    assert w.grad.tolist() == [1, 0]


def test_the_gradient_of_a_score_is_weight_times_slope_through_a_whole_network():
    """Through search blocks, which run kernel by kernel on a CPU; the slope is that with respect to m*w."""
    network = toy_network()
    weights = network.weights()
    g = generator(0, "scores")
    network.masking = Scored({n: torch.rand(w.shape, generator=g) for n, w in weights.items()}, 0.5)
    network.masking.settle(network)
    batch = ToySource().batch("train", 0)
    dense = Network(network.host, network.head)
    with torch.no_grad():
        values = {n: w.detach().clone() for n, w in weights.items()}
    ToySource().loss(network.train()(batch["image"]), batch).backward()
    slopes = {n: s.grad for n, s in zip(network.masking.names, network.masking.scores, strict=True)}
    with torch.no_grad():
        for name, w in weights.items():
            w.mul_(network.masks[name])
            w.grad = None
    ToySource().loss(dense.train()(batch["image"]), batch).backward()
    for name, w in weights.items():
        torch.testing.assert_close(slopes[name], values[name] * w.grad, rtol=1e-4, atol=1e-7)


def test_scores_have_an_optimiser_group_of_their_own_without_decay_at_their_own_rate():
    """It comes before that of biases and norms, where a shrink adds what it makes."""
    network = toy_network(Scored({"host.stem.0.weight": torch.rand(4, 3, 3, 3)}, 0.5, learning_rate=4.0))
    made = optimizer(network, Settings(10, 0.1, weight_decay=0.25))
    assert [group["weight_decay"] for group in made.param_groups] == [0.25, 0.0, 0.0]
    assert made.param_groups[1]["params"] == list(network.masking.scores) and made.param_groups[1]["lr"] == 0.4
    held = [p for group in made.param_groups for p in group["params"]]
    assert len(held) == len({id(p) for p in held}) == len(list(network.parameters()))


@pytest.mark.parametrize(
    "settings",
    [
        Settings(10, 0.1),
        Settings(10, 0.1, schedule="staircase", falls=(0.2,), warmup=0.2),
        Settings(10, 0.1, schedule="multistep", falls=(0.5,)),
    ],
)
def test_every_schedule_keeps_the_factor_between_scores_and_weights(settings):
    network = toy_network(Scored({"host.stem.0.weight": torch.rand(4, 3, 3, 3)}, 0.5, learning_rate=4.0))
    training, seen = Training(network, ToySource(), settings, 0), set()
    for step in range(10):
        training.schedule.advance(step)
        weights, scores, norms = (group["lr"] for group in training.optimizer.param_groups)
        assert scores == pytest.approx(4 * weights) and norms == weights
        seen.add(weights)
    assert len(seen) > 1


def test_what_is_scored_costs_a_backward_pass_though_its_weights_are_frozen():
    network = toy_network()
    network.requires_grad_(False)
    name = "host.stem.3"
    network.masking = Scored({f"{name}.weight": torch.rand(4, 4, 3, 3)}, 0.5)
    training = Training(network, ToySource(), Settings(2, 0.1), 0)
    (layer,) = [layer for layer in training.layers if layer.name == name]
    assert training.step_cost.dense == training.forward_cost.dense + 2 * layer.macs
    half = layer.macs // 2  # of the gradient of the input; scores want those of all weights
    assert training.step_cost.sparse == training.forward_cost.sparse + half + layer.macs


# ---- a drawer that trains scores only


@dataclass(frozen=True)
class Popup(Drawer):
    """What's hidden in a randomly weighted network (arXiv 1911.13299): the first weights stay, scores are trained."""

    semantics: Semantics = Semantics.SCORED

    def masking(self, network, request):
        """Random scores for all prunable weights of the host, which are frozen."""
        weights, g = network.prunable()["host"], generator(request.seed, "popup")
        for weight in weights.values():
            weight.requires_grad_(False)
        scores = {name: torch.rand(w.shape, generator=g) for name, w in weights.items()}
        return Scored(scores, self.target(request.sparsity), 10.0, self.allocation)

    def events(self, steps, sparsity):
        """The masks are there from the start."""
        return ()


REQUEST = Request(SPEC, ToySource(), Settings(12, 0.02, calibration_batches=1), 0.7, 0)


@pytest.fixture(scope="module")
def popped() -> Ticket:
    """Its ticket."""
    return Popup().draw(REQUEST)


@pytest.mark.parametrize("allocation", ["global", "erk"])
def test_a_drawer_that_trains_scores_alone_draws_a_valid_ticket(tmp_path, allocation):
    ticket = Popup(allocation=allocation).draw(REQUEST)
    assert ticket.prunable - ticket.kept == round(0.7 * ticket.prunable)
    ticket.save(tmp_path / "t")
    back = Ticket.load(tmp_path / "t")
    assert back.hash == ticket.hash and back.provenance["options"]["semantics"] == "scored"
    start = SPEC.initial(0).state_dict()
    assert all(torch.equal(back.host.raw[n], start[n]) for n in back.host.masks)
    assert not any("score" in name for name in back.host.raw)
    built = back.build()
    for name, mask in back.host.masks.items():
        assert torch.equal(built.get_parameter(name), start[name] * mask)
    training = transfer(back, Frozen(), ToySource(name="toy/other"), REQUEST.settings, 0)
    training.run()
    assert training.sparsity == ticket.sparsity


def test_sparse_work_follows_masks_that_are_chosen_at_every_step():
    """Two layers of unlike cost change places: the score of the one rises until it holds all kept weights."""

    class Rising(Popup):
        """Moves the scores by hand."""

        @torch.no_grad()
        def after_step(self, training):
            """All weights of the first layer are kept after the second step, and none of them before."""
            made = training.network.masking
            for name, score in zip(made.names, made.scores, strict=True):
                score.fill_(float((name == "host.stem.0.weight") == (training.step >= 1)))
            training.aside.setdefault("sparse", []).append(training.forward_cost.sparse)

    settings = replace(REQUEST.settings, steps=4)
    kept = 4 * 27 / sum(w.numel() for w in toy_network().prunable()["host"].values())
    training = Rising().train(replace(REQUEST, settings=settings, sparsity=1 - kept))
    macs = {layer.name: layer.macs for layer in training.layers}
    assert training.forward_cost.sparse == macs["host.stem.0"] + macs["head.predict"]
    start, before, *after = training.aside["sparse"]
    assert after == [training.forward_cost.sparse] * 2 and len({start, before, after[0]}) == 3


def test_scores_move_and_masks_with_them(popped):
    g = generator(0, "popup")
    first = keep_top({n: torch.rand(m.shape, generator=g) for n, m in popped.host.masks.items()}, 0.7)
    assert any(not torch.equal(first[n], m) for n, m in popped.host.masks.items())
    assert Popup().draw(replace(REQUEST, settings=replace(REQUEST.settings, steps=11))).hash != popped.hash


def test_a_draw_of_scores_that_was_interrupted_ends_as_the_undisturbed_one(tmp_path, monkeypatch, popped):
    monkeypatch.setattr("tickets.training.checkpoint.EVERY_S", -1.0)

    class Stopping(ToySource):
        """Ends the process's training before step 7."""

        def batches(self, start, stop):
            """The same batches, up to there."""
            for step in range(start, stop):
                if step == 7:
                    raise KeyboardInterrupt
                yield self.batch("train", step)

    file = tmp_path / "draw.pt"
    with pytest.raises(KeyboardInterrupt):
        Popup().draw(replace(REQUEST, source=Stopping(), checkpoint=Checkpoint(file)))
    assert Popup().draw(replace(REQUEST, checkpoint=Checkpoint(file))).hash == popped.hash


# ---- the two that need nothing but their name


def test_maskings_by_name():
    assert type(masking(Semantics.REPARAM)) is Reparam and type(masking(Semantics.PROJECTION)) is Projection
    with pytest.raises(UserError, match=r"^unknown semantics of masks without scores 'scored'\..*Known: reparam, proj"):
        Drawer(semantics=Semantics.SCORED).draw(REQUEST)


def test_what_is_present_follows_from_what_is_forgotten():
    """Under projection a masked weight is gone; under the other two it can be scored by its value."""
    mask = {NAME: torch.tensor([[True, False, True, False]])}
    for made, kept in ((Projection(), mask[NAME]), (Reparam(), None), (Scored({NAME: SCORE}, 0.5), None)):
        network = linear(made)
        network.masks = dict(mask)
        found = made.present(network)[NAME]
        assert torch.equal(found, torch.ones_like(mask[NAME]) if kept is None else kept)


def test_projection_follows_masks_that_are_put_in_force_and_weights_that_move():
    layer = nn.Linear(4, 4, bias=False)
    network = Network(layer, nn.Identity(), {"host.weight": torch.ones(4, 4, dtype=torch.bool)})
    network.masking.settle(network)
    assert (layer.weight != 0).all()
    network.masks = {"host.weight": torch.eye(4, dtype=torch.bool)}
    for _ in range(2):
        network.masking.settle(network)
        assert torch.equal(layer.weight != 0, torch.eye(4, dtype=torch.bool))
        with torch.no_grad():
            layer.weight.fill_(1.0)
    network.host = nn.Linear(4, 4, bias=False)
    network.masking.bind(network)
    network.masking.settle(network)
    assert torch.equal(network.host.weight != 0, torch.eye(4, dtype=torch.bool))


def test_projection_zeroes_when_it_settles_and_reparam_when_it_is_run():
    masks = {NAME: torch.tensor([[True, False, True, False]])}
    for made, stays in ((Projection(), False), (Reparam(), True)):
        network = linear(made)
        network.masks = masks
        made.settle(network)
        assert torch.equal(network.host.weight, WEIGHT if stays else WEIGHT * masks[NAME])
        assert network(X).item() == 0.5 + 3.0
