"""A network inside random weights: what these are, how scores rank them, what it costs, what it refuses."""

import math
from dataclasses import replace

import pytest
import torch
from line import NAME, request
from toy import SPEC, ToySource

from tickets import contract
from tickets.contract.watch import Interrupted, Stopping
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.drawers.edge_popup import EdgePopup
from tickets.errors import UserError
from tickets.recipes.base import transfer
from tickets.recipes.frozen import Frozen
from tickets.training.checkpoint import Checkpoint
from tickets.training.loop import Training
from tickets.training.settings import Settings

STEPS = 9
REQUEST = Request(SPEC, ToySource(), Settings(STEPS, 0.02, calibration_batches=1), 0.5, 0)


def begun(drawer, asked) -> Training:
    """A training before its first step."""
    (only,) = drawer.trainings(asked.settings.steps, asked.sparsity)
    return drawer.begin(asked, only, None)


def test_weights_are_signed_constants_of_their_layer_and_norms_have_no_effect():
    network = begun(EdgePopup(), REQUEST).network
    first = SPEC.initial(0).state_dict()
    for name, weight in network.prunable()["host"].items():
        size = math.sqrt(2 / weight[0].numel())
        expected = torch.where(first[name.removeprefix("host.")] < 0, -size, size)
        torch.testing.assert_close(weight.detach(), expected)
    stem = network.get_parameter("host.stem.0.weight")
    assert stem.abs().unique().tolist() == pytest.approx([math.sqrt(2 / 27)])
    norms = [m for m in network.host.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)


def test_weights_may_be_the_hosts_own():
    ticket, first = EdgePopup(weights="initial").draw(REQUEST), SPEC.initial(0)
    assert all(torch.equal(ticket.host.raw[name], tensor) for name, tensor in first.named_parameters())


class Sum(EdgePopup):
    """Its loss is the sum of the map, by which gradients can be read off; it keeps the first ones."""

    def loss(self, training, seen):
        """y_0 + y_1, of each image."""
        return seen.maps[0].sum() / len(seen.batch["image"])

    def on_gradient(self, training):
        """Keep them."""
        training.aside.setdefault("gradient", training.network.masking.scores[0].grad.flatten())


def test_the_largest_scores_stay_and_the_gradient_of_one_has_its_sign():
    """d|s|: sign(s) w x, at x = (1, 2, 3), of kept and removed weights alike; all weights are +-sqrt(2/3)."""
    training = begun(Sum(), request(0.5))
    with torch.no_grad():
        training.network.masking.scores[0].copy_(torch.tensor([-0.9, 0.1, 0.8, -0.2, 0.7, 0.3]).view(2, 3, 1, 1))
    training.masks_changed()
    assert training.network.masks[NAME].flatten().tolist() == [True, False, True, False, True, False]
    weight = training.network.get_parameter(NAME).detach().flatten().clone()
    assert weight.abs().tolist() == pytest.approx([math.sqrt(2 / 3)] * 6)
    training.run()
    expected = torch.tensor([-1.0, 1, 1, -1, 1, 1]) * weight * torch.tensor([1.0, 2, 3, 1, 2, 3])
    torch.testing.assert_close(training.aside["gradient"], expected)


def test_first_scores_are_uniform_between_minus_one_and_one_and_the_seeds():
    one, again, other = (
        torch.cat([s.detach().flatten() for s in begun(EdgePopup(), r).network.masking.scores])
        for r in (REQUEST, REQUEST, replace(REQUEST, seed=1))
    )
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert -1 <= one.min() < -0.9 and 0.9 < one.max() <= 1 and abs(one.mean()) < 0.1


def test_no_weight_of_the_host_is_trained_and_every_layer_has_the_sparsity():
    network = begun(EdgePopup(), REQUEST).network
    first = {n.removeprefix("host."): m for n, m in network.masks.items()}
    ticket = EdgePopup().draw(REQUEST)
    assert all(torch.equal(ticket.host.raw[name], tensor) for name, tensor in network.host.named_parameters())
    assert all(abs(int(mask.sum()) - mask.numel() / 2) <= 1 for mask in ticket.host.masks.values())
    assert any(not torch.equal(mask, first[name]) for name, mask in ticket.host.masks.items())
    ranked = EdgePopup(allocation="global").draw(REQUEST)
    assert ranked.kept == ticket.kept
    assert any(abs(int(mask.sum()) - mask.numel() / 2) > 1 for mask in ranked.host.masks.values())


def test_frozen_on_a_target_it_is_random_weights_still():
    """The strong claim: what is trained there is the head alone."""
    training = transfer(EdgePopup().draw(REQUEST), Frozen(), ToySource(name="toy/other"), REQUEST.settings, 0)
    training.run()
    for name, mask in ((n, m) for n, m in training.network.masks.items() if n.startswith("host.")):
        weight = training.network.get_parameter(name).detach()
        sizes = weight[mask].abs().unique().tolist()
        assert sizes == pytest.approx([math.sqrt(2 / weight[0].numel())]) and (weight[~mask] == 0).all()


@pytest.mark.parametrize(("name", "step", "sparse"), [
    ("edge_popup", 3 * 10, 3 * 4 + 3 + 3 + 6),
    ("edge_popup@head=frozen", 10 + 2 * 6, 4 + 3 + 3 + 6),
])  # fmt: skip
def test_spent_work_by_hand(name, step, sparse):
    """Host 6 MACs, of which 3 are kept, and head 4; three steps of four images, nothing to recalibrate."""
    spent = DRAWERS.make(name).draw(request(0.5, 3)).provenance["spent"]
    assert spent == {"macs": 12 * step, "sparse_macs": 12 * sparse, "images": 12}


@pytest.mark.parametrize("after", [4, STEPS])
def test_a_draw_that_was_interrupted_ends_as_the_undisturbed_one(tmp_path, after):
    file = tmp_path / "draw.pt"
    with pytest.raises(Interrupted):
        EdgePopup().draw(replace(REQUEST, checkpoint=Stopping(file, after)))
    again = EdgePopup().draw(replace(REQUEST, checkpoint=Checkpoint(file)))
    assert again.hash == EdgePopup().draw(REQUEST).hash


def test_sparsity_0_is_refused_before_any_work_and_the_contract_says_so():
    said = "sparsity is 0.0; no weight is trained here, so that leaves the untrained network: ask for a sparsity above"
    with pytest.raises(UserError, match=said):
        EdgePopup().check(SPEC, 0.0)
    checks = contract.of("drawer")
    verdict = checks.verdict("at sparsity 0 it keeps everything", checks.Subject("edge_popup", EdgePopup(), 4, 12))
    assert verdict.outcome == "skipped" and said in verdict.detail


def test_options_that_cannot_be():
    with pytest.raises(UserError, match="travel is -1; the scores would never move, give a number above 0"):
        EdgePopup(travel=-1)
