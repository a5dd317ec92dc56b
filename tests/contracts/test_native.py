"""Every method on native kernels: it learns as on PyTorch's, its masks are exact, and threads change no bit."""

import compiler
import pytest
import torch
from foreign import register
from toy import DRAWERS as BUILT_IN
from toy import SPEC, ToySource, drawn

from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.hosts.native import force, processor
from tickets.pruning.masks import Semantics
from tickets.recipes import RECIPES
from tickets.recipes.base import transfer
from tickets.scorers import SCORERS
from tickets.ticket_set import members_of
from tickets.training.loop import Training
from tickets.training.settings import Settings

pytestmark = compiler.needed
BEST = processor.usable()[0].name
STEPS = 20
SETTINGS = Settings(steps=STEPS, learning_rate=0.01, calibration_batches=2)
OURS = [name for name in BUILT_IN if not DRAWERS.traits(name).lowers_timesteps]
"""Drawers that can draw from hosts that the kernels compute."""
PLUGINS = ["swap@interval=0.5", "omp@scorer=fisher"]


@pytest.fixture(autouse=True)
def plugins(monkeypatch):
    """The drawer, the scorer and the recipe that tests/plugins shows."""
    register(monkeypatch, DRAWERS, swap="plugins.swap:Swap")
    register(monkeypatch, SCORERS, fisher="plugins.fisher:Fisher")
    register(monkeypatch, RECIPES, distil="plugins.distil:Distil")


@pytest.fixture
def losses(monkeypatch):
    """The losses of all steps that are trained, in their order."""
    seen = []
    step = Training._step

    def watched(self, batch):
        loss = step(self, batch)
        seen.append(float(loss))
        return loss

    monkeypatch.setattr(Training, "_step", watched)
    return seen


def ways(losses, run):
    """What `run` gives, and its losses, by PyTorch, by the kernels, and by them on more threads."""
    found = []
    for kernels, threads in (("torch", 1), (BEST, 1), (BEST, 3)):
        losses.clear()
        with force.using(kernels, threads):
            found.append((run(), torch.tensor(losses)))
    return found


@pytest.mark.parametrize("name", [*OURS, *PLUGINS])
def test_a_drawer_learns_as_on_pytorch_and_threads_change_no_bit(name, losses, tmp_path):
    drawer = DRAWERS.make(name, {"rho": 0.05})
    request = Request(SPEC, ToySource(batch_size=16), SETTINGS, 0.8, 0)
    (_, theirs), (ours, curve), (again, same) = ways(losses, lambda: drawn(drawer, request, {"rho": 0.05}))
    first, *_ = drawer.trainings(STEPS, 0.8)
    steps = [event.step for event in first.events]
    few = 0 in steps or (drawer.traits.searches and not steps)  # random weights, or units that an image drops
    longest = STEPS // 4 if few else first.steps  # feed batch norms that magnify last bits
    chosen = min([longest, *(step for step in steps if step)])  # by last bits
    if drawer.semantics == Semantics.SCORED:  # they are chosen after every step, and a base was trained before
        chosen = len(curve) - STEPS + 1
    torch.testing.assert_close(curve[:chosen], theirs[:chosen], rtol=1e-4, atol=1e-4)
    assert torch.equal(curve, same) and again.hash == ours.hash
    assert all(one.prunable - one.kept == round(drawer.target(0.8) * one.prunable) for one in members_of(ours))


@pytest.mark.parametrize("name", ["finetune", "distil"])
def test_a_recipe_learns_as_on_pytorch_and_threads_change_no_bit(name, losses):
    source = ToySource(batch_size=16)
    with force.using("torch", 1):
        ticket = drawn(DRAWERS.make("gmp"), Request(SPEC, source, SETTINGS, 0.8, 0))
        given = {"teacher": drawn(DRAWERS.make("dense"), Request(SPEC, source, SETTINGS, 0.0, 0))}

    def run():
        training = transfer(ticket, RECIPES.make(name), source, SETTINGS, 0, "fresh", given)
        training.run()
        return training.averaged().state_dict()

    (_, theirs), (ours, curve), (again, same) = ways(losses, run)
    torch.testing.assert_close(curve, theirs, rtol=1e-4, atol=1e-4)
    assert torch.equal(curve, same) and all(torch.equal(again[key], ours[key]) for key in ours)
