"""The loop: averages, recalibration, accounting, equal work, precision, divergence."""

import pytest
import torch
from torch import nn
from toy import ToySource, toy_network

from tickets.pruning.masks import keep_top
from tickets.training.ema import Ema, recalibrate
from tickets.training.events import Event
from tickets.training.loop import DivergedError, Training
from tickets.training.masking import Projection, Reparam
from tickets.training.method import Method
from tickets.training.settings import Settings


def test_average_follows_the_warm_up_rule():
    """min(decay, (1 + n) / (10 + n)): 0.1 at the first update, 2/11 at the second."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 0.0)
    ema = Ema(layer, decay=0.15)
    nn.init.constant_(layer.weight, 1.0)
    ema.update(layer)
    assert ema.values["weight"].item() == pytest.approx(0.9)
    ema.update(layer)
    assert ema.values["weight"].item() == pytest.approx(1 - 0.1 * 0.15)


def test_the_average_follows_a_network_whose_tensors_were_exchanged():
    layer = nn.Linear(1, 1, bias=False)
    ema = Ema(layer, 0.0)
    ema.update(layer)
    layer.weight = nn.Parameter(torch.full((1, 1), 5.0))
    ema.rebind()
    ema.update(layer)
    assert ema.values["weight"].item() == 5.0


def test_what_is_kept_is_made_anew_when_masks_change():
    training = Training(toy_network(), ToySource(), Settings(2, 0.01), 0)
    made = []
    for _ in range(2):
        training.kept("x", lambda: made.append(1))
    assert made == [1]
    training.set_masks({})
    training.kept("x", lambda: made.append(2))
    assert made == [1, 2]


def test_a_step_is_trained_in_training_mode_whatever_was_put_to_evaluation_before():
    training = Training(toy_network(), ToySource(), Settings(2, 0.01), 0)
    (batch,) = training.source.calibration(1)
    training._step(batch)
    parts = list(training.network.modules())
    parts[-1].eval()
    training._step(batch)
    assert all(part.training for part in parts)


@pytest.mark.parametrize("masking", [Projection(), Reparam()])
def test_no_step_waits_for_a_device(monkeypatch, masking):
    """Nothing reads a number out of a tensor, which on a GPU would wait for all that was asked of it."""
    network = toy_network(masking)
    network.masks = keep_top({name: w.detach().abs() for name, w in network.weights().items()}, 0.5)
    training = Training(network, ToySource(), Settings(2, 0.01), 0)
    (batch,) = training.source.calibration(1)

    def read(tensor: torch.Tensor) -> None:
        raise AssertionError("a number is read out of a tensor")

    for name in ("item", "tolist", "__bool__", "__int__", "__float__", "cpu", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, read)
    training._step(batch)


def test_recalibrated_statistics_are_the_plain_average_and_momenta_come_back():
    net = nn.Sequential(nn.BatchNorm2d(2, momentum=0.3), nn.Dropout(0.5))
    images = [torch.randn(4, 2, 3, 3) + 5, torch.randn(4, 2, 3, 3)]
    assert recalibrate(net, images) == 8
    mean = torch.stack([i.mean((0, 2, 3)) for i in images]).mean(0)
    torch.testing.assert_close(net[0].running_mean, mean)
    assert net[0].momentum == 0.3 and not any(m.training for m in net.modules())


def test_recalibration_without_batch_norm_runs_nothing():
    assert recalibrate(nn.Conv2d(3, 3, 1), iter([torch.ones(1, 3, 2, 2)])) == 0


def test_work_is_counted_three_forwards_an_image_and_one_for_recalibration():
    training = Training(toy_network(), ToySource(), Settings(4, 0.01, calibration_batches=2), 0)
    forward = training.forward_cost.dense
    training.run()
    training.averaged()
    assert training.spent.images == (4 + 2) * 8
    assert training.spent.macs == (3 * 4 + 2) * 8 * forward == training.spent.sparse_macs


class Noting(Method):
    """Keeps the steps and the clock of its events."""

    def do_note(self, training: Training) -> None:
        """Where the training is."""
        training.aside.setdefault("seen", []).append((training.step, training.clock))


def test_equal_macs_train_a_smaller_network_longer_and_events_keep_their_place():
    """A network of half the cost gets twice the steps; the clock counts steps of the full one."""
    full = Training(toy_network(), ToySource(), Settings(10, 0.01), 0).forward_cost.dense
    settings, events = Settings(10, 0.01, equal="macs"), (Event(0, "note"), Event(5, "note"), Event(10, "note"))
    half = Training(toy_network(), ToySource(), settings, 0, Noting(), events, full_macs=2 * full)
    rates = []
    half.run(report=lambda told: rates.append(told.step))
    assert half.step == 20 and half.spent.macs == 10 * 8 * 3 * 2 * full
    assert half.aside["seen"] == [(0, 0.0), (10, 5.0), (20, 10.0)] and rates[-1] == 10
    even = Training(toy_network(), ToySource(), Settings(10, 0.01), 0, full_macs=2 * full)
    even.run()
    assert even.step == 10 and even.clock == 10
    assert half.optimizer.param_groups[0]["lr"] == pytest.approx(even.optimizer.param_groups[0]["lr"])


def test_what_is_not_trained_costs_a_forward_pass_only():
    frozen = toy_network()
    frozen.host.requires_grad_(False)
    before = {n: p.clone() for n, p in frozen.host.named_parameters()}
    training = Training(frozen, ToySource(), Settings(3, 0.1), 0)
    head = training.layers[-1]
    assert head.name == "head.predict"
    assert training.step_cost.dense == training.forward_cost.dense + 2 * head.macs
    training.run()
    assert all(torch.equal(p, before[n]) for n, p in frozen.host.named_parameters())
    assert training.spent.macs == 3 * 8 * training.step_cost.dense


def test_bfloat16_trains_in_float32_weights():
    training = Training(toy_network(), ToySource(), Settings(3, 0.01, precision="bfloat16"), 0)
    training.run()
    exact = Training(toy_network(), ToySource(), Settings(3, 0.01), 0)
    exact.run()
    a, b = (t.network.head.predict.weight for t in (training, exact))
    assert a.dtype == torch.float32 and not torch.equal(a, b)
    torch.testing.assert_close(a, b, atol=0.05, rtol=0)


def test_progress_is_told_and_the_global_generator_is_left_alone():
    told = []
    before = torch.get_rng_state()
    Training(toy_network(), ToySource(), Settings(3, 0.01), 0).run(report=told.append)
    assert (told[-1].step, told[-1].steps, told[-1].sparsity) == (3, 3, 0.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loss_that_is_no_number_stops_the_training():
    class Broken(ToySource):
        """Its loss is infinite."""

        def loss(self, outputs, batch):
            """Infinity."""
            return outputs.sum() * float("inf")

    with pytest.raises(DivergedError, match=r"the loss became (nan|inf|-inf) at step 2 of 2; lower the learning rate"):
        Training(toy_network(), Broken(), Settings(2, 0.01), 0).run()


def test_training_learns():
    source = ToySource()
    training = Training(toy_network(), source, Settings(40, 0.02, calibration_batches=2), 0)
    before = source.score(training.averaged(), "test")["top1"]
    training.run()
    assert source.score(training.averaged(), "test")["top1"] > max(before, 0.8)
