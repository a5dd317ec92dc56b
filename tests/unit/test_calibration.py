"""Networks that predict together: how they are merged, how far to trust them, how far they differ."""

from math import exp, log

import pytest
import torch
from torch import nn

from tasks import TASKS
from tasks.base import Task
from tasks.feed import Feed
from tasks.metrics.calibration import WORST, Calibration, Disagreement
from tasks.metrics.heatmaps import Likelihood, Regression
from tasks.metrics.mixture import mixture
from tasks.metrics.together import Together
from tickets.errors import UserError
from tickets.training.ensemble import Ensemble

ONE, OTHER = torch.tensor([[log(3.0), 0.0]]), torch.tensor([[0.0, log(3.0)]])


def task(name):
    """An adapter whose data are not looked at."""
    return TASKS.load(name)()


# ---- merged


def test_the_mixture_of_two_networks_that_disagree_is_undecided():
    """4e 6: logits (ln 3, 0) and (0, ln 3) are probabilities (.75, .25) and (.25, .75), whose mean is (.5, .5)."""
    found = mixture([ONE, OTHER], 1)
    torch.testing.assert_close(found.softmax(1), torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(found.exp(), torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(task("cls/figures").merge([ONE, OTHER]).softmax(1), torch.tensor([[0.5, 0.5]]))


def test_the_mixture_is_no_mean_of_logits():
    """By hand: probabilities (.9, .1) and (.5, .5) are (.7, .3) in the mean; their mean logits say (.75, .25)."""
    sure, open_ = torch.tensor([[log(9.0), 0.0]]), torch.zeros(1, 2)
    torch.testing.assert_close(mixture([sure, open_], 1).softmax(1), torch.tensor([[0.7, 0.3]]))
    torch.testing.assert_close(((sure + open_) / 2).softmax(1), torch.tensor([[0.75, 0.25]]))


def test_large_logits_do_not_overflow():
    found = mixture([torch.tensor([[1000.0, 0.0]]), torch.tensor([[0.0, 1000.0]])], 1)
    torch.testing.assert_close(found, torch.full((1, 2), log(0.5)))


def test_pixels_are_merged_by_themselves():
    maps = torch.stack([ONE.T.expand(2, 3), OTHER.T.expand(2, 3)]), torch.stack([ONE.T.expand(2, 3)] * 2)
    found = task("seg/figures").merge([one[..., None] for one in maps]).softmax(1)
    assert found.shape == (2, 2, 3, 1)
    torch.testing.assert_close(found[0, :, 0, 0], torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(found[1, :, 0, 0], torch.tensor([0.5, 0.5]))


def test_joints_are_merged_as_their_objective_has_it():
    """Logits of where a joint is over the two cells of a map; heat maps as their mean."""
    one, other = (logits.view(1, 1, 1, 2) for logits in (ONE, OTHER))
    torch.testing.assert_close(Likelihood().merge([one, other]).flatten().exp(), torch.tensor([0.5, 0.5]))
    found = Regression().merge([one, other])
    torch.testing.assert_close(found.flatten(), torch.full((2,), log(3.0) / 2))
    assert task("pose/figures").merge([one, other]).shape == one.shape


def test_a_task_that_does_not_say_how_refuses_in_a_sentence():
    plain = type("Plain", (type(task("cls/figures")),), {"merge": Task.merge})
    assert task("cls/figures").merges() and not plain.merges()
    with pytest.raises(UserError, match=r"^Plain does not say how the outputs of several networks are merged; define"):
        plain().merge([ONE, OTHER])


# ---- how far to trust


def test_likelihood_by_hand():
    """Probabilities .75 of the true class, and .25: (ln 4/3 + ln 4) / 2."""
    metric = Calibration()
    metric.update(torch.cat([ONE, ONE]), {"label": torch.tensor([0, 1])})
    assert metric.compute()["nll"] == pytest.approx((log(4 / 3) + log(4)) / 2) and metric.count == 2


def test_calibration_error_by_hand():
    """Four images in two bins: at .75 one of two is right, |.5 - .75|; at .9 both are, |1 - .9|; half of each."""
    sure = torch.tensor([[log(9.0), 0.0]])
    metric = Calibration()
    metric.update(torch.cat([ONE, ONE, sure, sure]), {"label": torch.tensor([0, 1, 0, 0])})
    assert metric.compute()["ece"] == pytest.approx(0.5 * 0.25 + 0.5 * 0.1)


def test_there_are_fifteen_bins_closed_above():
    """A confidence of 10/15 is in the tenth bin with .64, not with .68: each image right, the errors do not cancel."""
    of = lambda p: torch.tensor([[log(p / (1 - p)), 0.0]], dtype=torch.float64)  # noqa: E731
    for other, expected in ((0.64, abs(0.5 - (10 / 15 + 0.64) / 2)), (0.68, (1 / 3 + 0.68) / 2)):
        metric = Calibration()
        metric.update(torch.cat([of(10 / 15 - 1e-12), of(other)]), {"label": torch.tensor([0, 1])})
        assert metric.compute()["ece"] == pytest.approx(expected)
    assert Calibration().bins.shape[1] == 15


def test_mixing_can_only_lower_the_likelihoods_cost():
    """Jensen: the mixture's nll is at most the mean of the members'."""
    logits = [torch.randn(50, 4, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    batch, costs = {"label": torch.arange(50) % 4}, []
    for one in (*logits, mixture(logits, 1)):
        metric = Calibration()
        metric.update(one, batch)
        costs.append(metric.compute()["nll"])
    assert costs[-1] < sum(costs[:3]) / 3


def test_logits_that_are_not_finite_are_wrong_at_full_confidence_and_cost_a_finite_amount():
    metric = Calibration()
    metric.update(torch.tensor([[float("nan"), 0.0], [float("inf"), 0.0]]), {"label": torch.tensor([0, 0])})
    assert metric.compute() == {"nll": WORST, "ece": 1.0} and exp(-WORST) > 0


def test_calibration_is_additive_and_of_nothing_undefined():
    logits, label = torch.randn(10, 3, generator=torch.Generator().manual_seed(1)), torch.arange(10) % 3
    whole, shards = Calibration(), (Calibration(), Calibration())
    whole.update(logits, {"label": label})
    for shard, rows in zip(shards, (slice(0, 3), slice(3, 10)), strict=True):
        shard.update(logits[rows], {"label": label[rows]})
    shards[0].merge(shards[1])
    assert shards[0].compute() == pytest.approx(whole.compute()) and shards[0].count == 10
    for empty in (Calibration(), Disagreement(2)):
        with pytest.raises(ValueError, match=r"(of|about) no image is undefined"):
            empty.compute()


# ---- how far they differ


def test_disagreement_by_hand():
    """Three networks, two images: guesses 0 0 1 and 1 1 1; of six pairs two differ."""
    first = [ONE, ONE, OTHER]
    metric = Disagreement(3)
    metric.update([torch.cat([one, OTHER]) for one in first], {})
    assert metric.compute() == {"disagreement": 1 / 3}
    again = Disagreement(3)
    again.update([ONE, ONE, ONE], {})
    metric.merge(again)
    assert metric.compute() == {"disagreement": 2 / 9}


# ---- all of it


class Fixed(nn.Module):
    """Says the same of every image."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, image):
        """(B, C)."""
        return self.logits.expand(len(image), -1)


def test_together_the_set_and_every_member_are_scored_in_one_pass():
    found = Together(task("cls/figures"), 2, "test")
    wide = [torch.nn.functional.pad(one, (0, 6), value=-50.0) for one in (ONE, OTHER)]
    found.update(wide, {"label": torch.tensor([0])})
    together, members = found.compute(), found.members()
    assert next(iter(together)) == "top1" and together["disagreement"] == 1.0 and found.amounts == ["nll"]
    assert together["nll"] == pytest.approx(log(2), abs=1e-5)
    assert [one["top1"] for one in members] == [1.0, 0.0] and "disagreement" not in members[0]
    assert [one["nll"] for one in members] == pytest.approx([log(4 / 3), log(4)], abs=1e-5)
    more = Together(task("cls/figures"), 2, "test")
    more.update(wide[::-1], {"label": torch.tensor([0])})
    found.merge(more)
    assert found.count == 2 and [one["top1"] for one in found.members()] == [0.5, 0.5]


def test_a_kind_without_probabilities_of_classes_has_its_own_metrics_alone():
    found = Together(task("seg/figures"), 2, "test")
    assert found.apart is None and found.amounts == [] and [len(each) for each in found.each] == [1, 1]


def test_a_feed_measures_an_ensemble_by_its_members_predictions(monkeypatch):
    """Views first, then members: the views of either member cancel out; of the mixtures of each view they would not."""

    class Mirrored(type(task("cls/figures"))):
        """Averages the logits of two views; holds one sample."""

        def split(self, name):
            return [0]

        def predict(self, network, batch):
            return (network(batch["image"]) + network(-batch["image"])) / 2

    class Signed(nn.Module):
        """Logits that depend on the view."""

        def forward(self, image):
            return torch.nn.functional.pad(image[:, 0, :1, 0].sign() * log(9.0), (0, 7))

    feed = Feed("cls/figures", Mirrored(size=(16, 16)), 4, 0)
    batch = {"image": torch.ones(1, 3, 16, 16), "label": torch.tensor([0])}
    monkeypatch.setattr(Feed, "_loaded", lambda *args: iter([batch]))
    found = feed.measure(Ensemble([Signed(), Fixed(torch.zeros(1, 8))], feed.merge), "val", 1)
    assert [one["nll"] for one in found.members()] == pytest.approx([log(8), log(8)])  # both views cancel
    assert found.compute()["nll"] == pytest.approx(log(8))
