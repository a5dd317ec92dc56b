"""Iterative pruning: how long each round is, that masks are nested, what is rewound, that it can be interrupted."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from toy import SPEC, ToySource

from tickets.drawer import Drawer, Request
from tickets.drawers import make
from tickets.drawers.imp import IterativeMagnitude
from tickets.drawers.imp_pretrained import PretrainedIterativeMagnitude
from tickets.errors import UserError
from tickets.masks import Masks
from tickets.training import Settings

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
    plan = IterativeMagnitude(rounds=rounds, rewind=rewind).plan(steps, 0.9)
    assert len(plan) == rounds + 1 and len({r.steps for r in plan}) == 1
    assert sum(r.steps - r.start for r in plan) == pytest.approx(steps, abs=rounds + 2)
    plan = PretrainedIterativeMagnitude(rounds=rounds).plan(steps, 0.9)
    assert len(plan) == rounds and sum(r.steps for r in plan) == pytest.approx(steps, abs=rounds)


def test_many_rounds_remove_a_fifth_each_and_train_fully_each():
    drawer = make("imp/many_rounds")
    plan = drawer.plan(400, 0.9)
    assert len(plan) == 1 + 11  # 0.8^11 = 0.086 is the first power below 0.1
    assert {r.steps for r in plan} == {400}


def test_the_rewind_point_is_step_k_of_the_first_training():
    """The ticket keeps the weights of step k; they are those of a dense training stopped there."""
    drawer = IterativeMagnitude(rounds=1, rewind=0.5)
    ticket = drawer.draw(REQUEST)
    first, *_ = drawer.plan(40, 0.9)
    k = first.events[0].step
    assert 0 < k < first.steps
    stopped: dict[str, Any] = {}

    class Stopping(IterativeMagnitude):
        """Notes the weights at the event that saves them."""

        def handle(self, training, event):
            """Note them under the step."""
            super().handle(training, event)
            state = training.network.host.state_dict()
            stopped.setdefault(str(training.step), {name: tensor.clone() for name, tensor in state.items()})

    Stopping(rounds=1, rewind=0.5).draw(REQUEST)
    assert all(torch.equal(ticket.host.rewind[n], t) for n, t in stopped[str(k)].items())
    assert any(not torch.equal(ticket.host.rewind[n], stopped["0"][n]) for n in ticket.host.rewind)


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
    whole = make(name).draw(request)
    monkeypatch.setattr("tickets.training.CHECKPOINT_EVERY_S", 0.0)

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
        make(name).draw(replace(request, source=Stopping(), checkpoint=file))
    assert make(name).draw(replace(request, checkpoint=file)).hash == whole.hash


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
