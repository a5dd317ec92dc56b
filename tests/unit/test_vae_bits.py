"""Bits per dimension: the likelihood, the divergence and the bound by hand values, and scores that repeat."""

import math

import pytest
import torch

from tasks import TASKS
from tasks.figures import scenes
from tasks.heads.latent import Told
from tasks.metrics.bits import BitsPerDimension
from tasks.metrics.likelihood import bits, distortion, divergence, given_before, log_mass, on_scale
from tickets.errors import UserError
from tickets.seeding import seeded
from tickets.training.network import Network


def test_the_divergence_of_two_numbers_by_hand():
    found = divergence(torch.tensor([1.0, 0.0]), torch.tensor([0.0, math.log(4)])).sum()
    assert float(found) == pytest.approx(1.306853, abs=1e-6)


@pytest.mark.parametrize(("mean", "log_scale"), [(0.0, -3.0), (0.9, -1.0), (-1.0, 0.0), (0.3, -5.0), (0.0, 4.0)])
def test_the_masses_of_all_levels_sum_to_one(mean, log_scale):
    levels = torch.arange(256)
    at = [torch.full((256,), value, dtype=torch.float64) for value in (mean, log_scale)]
    assert float(log_mass(levels, *at).exp().sum()) == pytest.approx(1, abs=1e-8)


def test_means_follow_the_channels_before_theirs_and_masses_still_sum_to_one():
    """Over both levels of red that matter here and all of green: p(r) p(g | r) is a distribution."""
    level = torch.tensor([[10, 200, 77]]).view(1, 3, 1, 1)
    mean, lean = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1), torch.tensor([0.5, -1.0, 2.0]).view(1, 3, 1, 1)
    red, green, _ = (on_scale(level.float()) - mean).flatten().tolist()
    found = given_before(level, mean, lean).flatten().tolist()
    assert found == pytest.approx([0.1, 0.2 + 0.5 * red, 0.3 - 1.0 * red + 2.0 * green], abs=1e-6)
    levels = torch.stack(torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij"), -1).view(-1, 2)
    images = torch.cat([levels, torch.full((len(levels), 1), 77)], 1).view(-1, 3, 1, 1)
    at = [t.double().expand(len(images), -1, -1, -1) for t in (mean, torch.full((1, 3, 1, 1), -1.5), lean)]
    red_green = -distortion(images, *at) - log_mass(images, given_before(images, at[0], at[2]), at[1])[:, 2, 0, 0]
    assert float(red_green.exp().sum()) == pytest.approx(1, abs=1e-8)


def test_masses_have_a_gradient_far_from_the_mean_and_no_nan():
    mean = torch.tensor([-0.9], requires_grad=True)
    scale = torch.tensor([-7.0], requires_grad=True)
    found = log_mass(torch.tensor([200]), mean, scale)
    found.sum().backward()
    assert found.isfinite().all() and mean.grad.isfinite().all() and mean.grad > 0 and scale.grad.isfinite().all()


def test_the_bound_at_the_true_posterior_is_the_likelihood():
    """A linear Gaussian model, z ~ N(0, 1), x | z ~ N(w z, s^2): log p(x) = E log p(x | z) - KL at the posterior."""
    w, s, x = (torch.tensor(value, dtype=torch.float64) for value in (1.5, 0.7, 0.4))
    var = 1 / (1 + w**2 / s**2)
    mu = var * w * x / s**2
    expected = -0.5 * math.log(2 * math.pi) - s.log() - ((x - w * mu) ** 2 + w**2 * var) / (2 * s**2)
    bound = expected - divergence(mu, var.log())
    total = w**2 + s**2
    exact = -0.5 * (torch.log(2 * math.pi * total) + x**2 / total)
    assert float(bound) == pytest.approx(float(exact), abs=1e-12)


def told(levels: torch.Tensor, log_scale: float, latent: int = 4) -> tuple[torch.Tensor, dict]:
    """Outputs whose means are at the middle, and the batch that they are of."""
    from tasks.views.batches import normalise

    shape = levels.shape
    nothing = torch.zeros(len(levels), latent)
    outputs = Told(torch.zeros(shape), torch.full(shape, log_scale), torch.zeros(shape), nothing, nothing).packed()
    return outputs, {"image": normalise(levels)}


def test_what_is_saved_is_clamped_and_the_bits_are_those_of_the_masses():
    levels = torch.randint(0, 256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    metric = BitsPerDimension()
    outputs, batch = told(levels, -7.0)
    metric.update(outputs, batch)
    found = metric.compute()
    assert found["bpd"] > 8 and found["saved"] == 0.0
    metric = BitsPerDimension()
    outputs, batch = told(levels, -1.0)
    metric.update(outputs, batch)
    found = metric.compute()
    masses = log_mass(levels, torch.zeros(levels.shape, dtype=torch.float64), torch.full(levels.shape, -1.0).double())
    by_hand = float(bits(-masses.flatten(1).sum(1), 3072).mean())
    assert found["bpd"] == pytest.approx(by_hand, rel=1e-6) and found["rate"] == 0.0
    assert found["saved"] == pytest.approx(max(0, 1 - by_hand / 8))


def test_a_model_that_finds_all_levels_alike_saves_nothing():
    """log 256 nats a number are 8 bits, to the last digit."""
    metric = BitsPerDimension()
    metric.distortion, metric.count = float(bits(torch.tensor(3072 * math.log(256), dtype=torch.float64), 3072)), 1
    assert metric.compute() == {"saved": 0.0, "bpd": 8.0, "rate": 0.0, "distortion": 8.0}


@pytest.fixture
def task(monkeypatch, tmp_path):
    """A few figures."""
    monkeypatch.setattr(scenes, "TRAIN", 48)
    monkeypatch.setattr(scenes, "TEST", 24)
    return TASKS.load("vae/figures")(size=(32, 32), cache=tmp_path / "cache")


def network_for(task) -> Network:
    from toy import SPEC

    with seeded(0, "test"):
        host = SPEC.build()
        return Network(host, task.head(host.features)).eval()


@torch.no_grad()
def test_scores_repeat_bit_for_bit_and_do_not_depend_on_the_batch(task):
    network, batch = network_for(task), task.batch(task.split("test").gather(range(8)))
    once, again = (task.predict(network, batch) for _ in range(2))
    assert torch.equal(once, again)
    alone = torch.cat([task.predict(network, {k: v[i : i + 1] for k, v in batch.items()}) for i in range(8)])
    torch.testing.assert_close(alone, once, rtol=1e-4, atol=1e-4)


def test_the_loss_is_what_is_scored_but_for_the_noise(task):
    network, batch = network_for(task), task.batch(task.split("test").gather(range(8)))
    with torch.no_grad():
        outputs = task.predict(network, batch)
        metric = task.metric()
        metric.update(outputs, batch)
        assert float(task.loss(outputs, batch)) == pytest.approx(metric.compute()["bpd"], rel=1e-4)


def test_nothing_is_merged_or_imitated(task):
    assert not task.merges() and not task.is_imitable()
    with pytest.raises(UserError, match="does not say how the outputs of several networks are merged"):
        task.merge([])
    with pytest.raises(UserError, match="latent is 0; give a whole number of at least 1"):
        type(task)(latent=0)
