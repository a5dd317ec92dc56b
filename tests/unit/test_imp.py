"""Iterative pruning: how long each round is, that masks are nested, what is rewound, that it can be interrupted."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from toy import SPEC, ToySource

from tickets.drawers import DRAWERS
from tickets.drawers.base import Drawer, Request, Round
from tickets.drawers.imp import IterativeMagnitude
from tickets.drawers.imp_pretrained import PretrainedIterativeMagnitude
from tickets.errors import UserError
from tickets.pruning.masks import Masks
from tickets.recipes.base import transfer
from tickets.recipes.reinit import Reinit
from tickets.recipes.scratch import Scratch
from tickets.training.checkpoint import Checkpoint
from tickets.training.events import Event
from tickets.training.settings import Settings

REQUEST = Request(SPEC, ToySource(), Settings(40, 0.02, calibration_batches=2), 0.9, 0)


@pytest.mark.parametrize("drawer", [IterativeMagnitude(rounds=4), PretrainedIterativeMagnitude(rounds=4)])
def test_masks_are_nested_round_by_round(drawer, monkeypatch):
    """Each round removes the same share of what is left; what is gone stays gone."""
    seen: list[Masks] = []
    choose = Drawer.choose
    monkeypatch.setattr(Drawer, "choose", lambda *args: seen.append(choose(*args)) or seen[-1])
    ticket = drawer.draw(REQUEST)
    kept = [sum(int(m.sum()) for m in masks.values()) for masks in seen]
    total = ticket.prunable
    assert kept == [total - round(total * (1 - 0.1 ** (j / 4))) for j in range(1, 5)]
    for wider, narrower in pairwise(seen):
        assert all((narrower[name] <= wider[name]).all() for name in wider)
    assert all(torch.equal(seen[-1][f"host.{n}"], m) for n, m in ticket.host.masks.items())


@pytest.mark.parametrize(("steps", "rounds", "rewind"), [(400, 3, 0.05), (400, 1, 0.0), (1000, 5, 0.1)])
def test_all_rounds_together_train_as_long_as_any_drawer(steps, rounds, rewind):
    plan = IterativeMagnitude(rounds=rounds, rewind=rewind).trainings(steps, 0.9)
    assert len(plan) == rounds + 1 and len({r.steps for r in plan}) == 1
    assert sum(r.steps - r.start for r in plan) == pytest.approx(steps, abs=rounds + 2)
    plan = PretrainedIterativeMagnitude(rounds=rounds).trainings(steps, 0.9)
    assert len(plan) == rounds and sum(r.steps for r in plan) == pytest.approx(steps, abs=rounds)


def test_many_rounds_remove_a_fifth_each_and_train_fully_each():
    drawer = DRAWERS.make("imp/many_rounds")
    plan = drawer.trainings(400, 0.9)
    assert len(plan) == 1 + 11  # 0.8^11 = 0.086 is the first power below 0.1
    assert {r.steps for r in plan} == {400}


def test_the_rewind_point_is_step_k_of_the_first_training():
    """The ticket keeps the weights of step k; they are those of a dense training at that step."""
    drawer = IterativeMagnitude(rounds=1, rewind=0.5)
    ticket = drawer.draw(REQUEST)
    first, *_ = drawer.trainings(40, 0.9)
    k = first.events[0].step
    assert 0 < k < first.steps
    seen: dict[int, dict[str, torch.Tensor]] = {}

    class Noting(Drawer):
        """One dense training that notes its weights."""

        def trainings(self, steps, sparsity):
            """As long as the first one of the iterative drawer."""
            return [Round(first.steps, events=[Event(step, "note") for step in (0, k, first.steps)])]

        def do_note(self, training):
            """Keep a copy of the host under the step."""
            seen[training.step] = {n: t.clone() for n, t in training.network.host.state_dict().items()}

    Noting().draw(REQUEST)
    assert list(seen) == [0, k, first.steps]
    assert all(torch.equal(ticket.host.rewind[n], t) for n, t in seen[k].items())
    assert any(not torch.equal(ticket.host.rewind[n], t) for n, t in seen[0].items())
    assert any(not torch.equal(ticket.host.rewind[n], t) for n, t in seen[first.steps].items())


def test_scratch_at_the_drawing_s_seed_is_the_reset_to_its_first_weights_and_reinit_is_not():
    """The winning ticket of arXiv 1803.03635, and the control that it must beat; both under the same masks."""
    ticket = IterativeMagnitude(rounds=1, rewind=0.0).draw(REQUEST)
    first = SPEC.initial(REQUEST.seed).state_dict()
    assert all(torch.equal(ticket.host.rewind[name], tensor) for name, tensor in first.items())
    hosts = [
        transfer(ticket, recipe, ToySource(), REQUEST.settings, seed).network.host
        for recipe, seed in ((Scratch(), 0), (Scratch(), 1), (Reinit(), 0), (Reinit(), 0), (Reinit(), 1))
    ]
    for name, mask in ticket.host.masks.items():
        own = [host.get_parameter(name) for host in hosts]
        assert torch.equal(own[0], first[name] * mask) and torch.equal(own[2], own[3])
        assert all((weight[~mask] == 0).all() for weight in own)
        for a, b in ((0, 1), (0, 2), (1, 2), (2, 4)):
            assert not mask.any() or not torch.equal(own[a], own[b]), (name, a, b)


def test_a_pretrained_ticket_is_the_mask_on_the_trained_dense_weights():
    ticket = PretrainedIterativeMagnitude(rounds=3).draw(REQUEST)
    assert ticket.host.raw.keys() == ticket.host.rewind.keys()
    for name, mask in ticket.host.masks.items():
        assert torch.equal(ticket.host.raw[name], ticket.host.rewind[name] * mask)


@pytest.mark.parametrize(
    ("name", "stop_at"), [("imp", 9), ("imp@rewind=0.3", 3), ("imp@rewind=0.3", 17), ("imp_pretrained", 9)]
)
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, monkeypatch, name, stop_at):
    """In whichever round it was interrupted."""
    request = replace(REQUEST, settings=replace(REQUEST.settings, steps=20))
    whole = DRAWERS.make(name).draw(request)
    monkeypatch.setattr("tickets.training.checkpoint.EVERY_S", -1.0)

    class Stopping(ToySource):
        """Ends the process's training after so many batches."""

        given = 0

        def batches(self, start, stop):
            """The same batches, up to a number."""
            for batch in super().batches(start, stop):
                if self.given == stop_at:
                    raise KeyboardInterrupt
                Stopping.given += 1
                yield batch

    file = tmp_path / "draw.pt"
    with pytest.raises(KeyboardInterrupt):
        DRAWERS.make(name).draw(replace(request, source=Stopping(), checkpoint=Checkpoint(file)))
    assert DRAWERS.make(name).draw(replace(request, checkpoint=Checkpoint(file))).hash == whole.hash


def test_progress_is_told_in_the_request_s_steps():
    told = []
    IterativeMagnitude().draw(replace(REQUEST, report=told.append))
    assert (told[-1].step, told[-1].steps) == (40, 40)
    assert [p.step for p in told] == sorted(p.step for p in told)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "rounds is 0; give a whole number of at least 1"),
        ({"rate": 1.0}, r"rate is 1\.0; it is the share"),
        ({"rewind": 1.0}, r"rewind is 1\.0; the rewind point is a fraction of a round's training, .* below 1"),
        ({"share": -1.0}, r"share is -1\.0"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(UserError, match=message):
        IterativeMagnitude(**options)
    with pytest.raises(UserError, match="imp_pretrained rewinds to the end of its dense training"):
        PretrainedIterativeMagnitude(rewind=0.1)
    with pytest.raises(UserError, match=r"pretrain is 1\.0"):
        PretrainedIterativeMagnitude(pretrain=1.0)
