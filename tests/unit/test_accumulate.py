"""A batch computed in parts has the gradient of the whole, but for batch norms."""

from dataclasses import replace

import pytest
import torch
from asked import config
from toy import OneConv, ToyHead, ToySource

from tickets.errors import UserError
from tickets.training.loop import Training, _parts
from tickets.training.network import Network
from tickets.training.settings import Settings

SETTINGS = Settings(steps=5, learning_rate=0.02)


def trained(parts):
    """Weights, loss by step and spent work of a network without batch norms; batches of 9."""
    torch.manual_seed(0)
    host = OneConv()
    told = []
    network = Network(host, ToyHead(host.features)).double()
    source = ToySource(batch_size=9)
    batch = source.batch
    source.batch = lambda *at: {**(found := batch(*at)), "image": found["image"].double()}
    training = Training(network, source, replace(SETTINGS, accumulate=parts), 0)
    step = training._step
    training._step = lambda batch: told.append(step(batch)) or told[-1]
    training.run()
    return network.state_dict(), torch.stack(told), training.spent


def test_parts_of_a_batch_train_as_the_whole_does():
    weights, losses, spent = trained(1)
    for parts in (2, 4):
        own, told, used = trained(parts)
        assert all(torch.allclose(own[name], weight, atol=1e-12) for name, weight in weights.items())
        assert torch.allclose(told, losses, atol=1e-12) and used == spent


def test_a_batch_is_cut_evenly_and_in_its_order():
    batch = {"image": torch.arange(9), "label": -torch.arange(9)}
    parts = _parts(batch, 4)
    assert [len(part["image"]) for part in parts] == [3, 2, 2, 2]
    assert torch.cat([part["label"] for part in parts]).equal(batch["label"])
    assert _parts(batch, 1)[0] is batch


def test_more_parts_than_samples_are_refused():
    with pytest.raises(
        UserError, match=r"--accumulate is 500, and a batch of cls/figures has 32 samples; give at most"
    ):
        config(accumulate=500)
