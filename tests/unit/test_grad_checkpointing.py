"""Maps that are computed again in the backward pass: the same to the last bit, with less kept in between."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from asked import config
from torch import nn
from toy import TIMED, ToySource, drawn, toy_network, toy_spec

from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.hosts.native import force, processor
from tickets.hosts.timm import TimmSpec
from tickets.source import initial_head
from tickets.training import grad_checkpointing
from tickets.training.loop import Training
from tickets.training.masking import Reparam
from tickets.training.network import Network
from tickets.training.settings import Settings

SETTINGS = Settings(30, 0.02, calibration_batches=1, ema_decay=0.9)
NAMES = [
    "supertickets@threshold=0.9@rho=0.3",
    "imp@rounds=2",
    "rigl",
    "edge_popup",
    "netadaptv2@iterations=1@samples=2",
]
NATIVE = processor.usable()[0].name


@contextmanager
def saved_bytes(found):
    """What autograd keeps of the forward passes of the body; of blocks that are computed again, what goes in."""

    def pack(tensor):
        found.append(tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield


@pytest.mark.parametrize(
    ("name", "kernels"), [*((name, "torch") for name in NAMES), (NAMES[0], NATIVE), (NAMES[-1], NATIVE)]
)
def test_a_ticket_is_the_same_to_the_last_bit(name, kernels):
    drawer = DRAWERS.make(name)
    sparsity = 0.5 if drawer.traits.prunes else 0.0
    request = Request(toy_spec(drawer), ToySource(), SETTINGS, sparsity, 0)
    with force.using(kernels):
        plain = drawn(drawer, request)
        with grad_checkpointing.using(True):
            again = drawn(drawer, request)
    assert again.hash == plain.hash


def test_a_spiking_host_of_several_time_steps_is_trained_the_same():
    request = Request(TIMED, ToySource(), SETTINGS, 0.5, 0)
    plain = drawn(DRAWERS.make("imp@rounds=2"), request)
    with grad_checkpointing.using(True):
        assert drawn(DRAWERS.make("imp@rounds=2"), request).hash == plain.hash


def trained(network, source, settings=SETTINGS):
    """The state after a few steps, and what was spent."""
    training = Training(network, source, replace(settings, steps=3), 0)
    training.run()
    return training


def test_blocks_of_timm_are_found_and_drop_the_same_paths():
    """Dropout and dropped paths get the random numbers of the first pass."""
    spec, source = TimmSpec("efficientnet_lite0"), ToySource(batch_size=4)

    def network():
        host = spec.initial(0)
        for module in host.modules():
            if type(module).__name__ == "InvertedResidual":
                module.drop_path = nn.Dropout(0.5)
        return Network(host, initial_head(source, host, 0))

    plain = trained(network(), source)
    with grad_checkpointing.using(True):
        again = trained(network(), source)
        blocks = grad_checkpointing.blocks(again.network)
    assert {type(block).__name__ for block in blocks.values()} >= {"InvertedResidual"}
    assert all(
        torch.equal(value, again.network.state_dict()[name]) for name, value in plain.network.state_dict().items()
    )


def test_masked_weights_are_in_force_in_the_second_pass_too():
    found = {}
    for is_on in (False, True):
        network = toy_network(Reparam())
        network.masks = {name: (weight > 0).float() for name, weight in network.weights().items()}
        with grad_checkpointing.using(is_on):
            found[is_on] = trained(network, ToySource()).network.state_dict()
    assert all(torch.equal(value, found[True][name]) for name, value in found[False].items())


def test_less_is_kept_and_statistics_move_once():
    kept, moved = {}, {}
    for is_on in (False, True):
        network, image = toy_network(), torch.rand(4, 3, 32, 32)
        with grad_checkpointing.using(is_on):
            blocks = grad_checkpointing.blocks(network)
        assert set(blocks) == ({name for name in blocks if name.startswith("host.")} if is_on else set())
        with saved_bytes(sizes := []), grad_checkpointing.within(blocks):
            maps, _ = network.both(image)
        sum(one.sum() for one in maps).backward()
        kept[is_on] = sum(sizes)
        moved[is_on] = [
            module.num_batches_tracked.item() for module in network.modules() if isinstance(module, nn.BatchNorm2d)
        ]
    assert moved[True] == moved[False] == [1] * len(moved[True])
    assert kept[True] < kept[False] / 2
    assert not any("forward" in vars(module) for module in network.modules())


def test_with_compile_it_is_refused():
    with pytest.raises(UserError, match="--grad-checkpointing does not go with --compile"):
        config(compiled=True, grad_checkpointing=True)
